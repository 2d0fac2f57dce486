"""The ``chain`` kind: several complete backends, which are asked in order.

A table decides, unless it says no with a reason that its ``next_on`` lists. UNDECIDED never passes
on: otherwise a service that is down would leave the decision to another one.
"""

import re
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from extauth_http.backends.base import Backend
from extauth_http.backends.registry import backend_class, backend_of_kind
from extauth_http.config.backend import BackendSettings
from extauth_http.config.section import Section
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.preparation import nodeprep
from extauth_http.protocol.verdict import Answer, Verdict

NO_TABLE = Answer(Verdict.DENY, "no_link", "no table of the chain is for this user")

UNDECIDED_REASONS = frozenset(
    {
        *("bad_http", "bad_request", "cannot_tell", "connect_failed", "connect_refused"),
        *("connection_lost", "content_encoding", "deadline", "disconnected", "discovery"),
        *("local_file", "overload", "stopped"),
        *("keys_unavailable", "name_not_found", "not_an_answer", "oauth_error", "proxy"),
        *("service_auth_refused", "service_hangs", "service_token", "stuck", "tls", "too_large"),
        "wrong_answer",
    }
)
"""Reasons for which there is no verdict. In ``next_on`` they would never have an effect."""


class Link(Section, arbitrary_types_allowed=True):
    """One table of the chain: a backend, and for whom and until when it decides."""

    backend: BackendSettings
    users: tuple[str, ...] = ()
    """The users that the table is for, with ``*`` for any text; empty: everybody."""
    next_on: tuple[str, ...] = ()
    """Reasons of a DENY after which the next table is asked."""

    @field_validator("users")
    @classmethod
    def _check_users(cls, users: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in users:
            name = pattern.replace("*", "x")
            prepared = nodeprep(name)
            if not name or "@" in name or prepared != name:
                raise ValueError(
                    f"{pattern!r}: expected the name of a user as ejabberd writes it (lower case, "
                    "without @), in which * stands for any text"
                )
        return users

    @field_validator("next_on")
    @classmethod
    def _check_reasons(cls, reasons: tuple[str, ...]) -> tuple[str, ...]:
        for reason in reasons:
            if not re.fullmatch("[a-z0-9_]+", reason):
                raise ValueError(f"{reason!r}: expected the reason of a DENY, such as not_a_token")
            if reason in UNDECIDED_REASONS:
                raise ValueError(f"{reason} is UNDECIDED, which never passes on")
        return reasons

    def is_for(self, user: str) -> bool:
        return not self.users or any(_matches(pattern, user) for pattern in self.users)


def _matches(pattern: str, user: str) -> bool:
    text = ".*".join(re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(text, user, re.DOTALL) is not None


def _link(table: Any) -> Any:
    """A table of ``try`` as a Link. Errors name the keys as they are in the table."""
    if isinstance(table, Link):
        return table
    if not isinstance(table, dict):
        raise PydanticCustomError("kind", "expected a table [[backend.try]]")
    own = {key: value for key, value in table.items() if key in ("users", "next_on")}
    others = {key: value for key, value in table.items() if key not in own}
    return Link.model_validate({"backend": backend_of_kind(others), **own})


class ChainSettings(BackendSettings):
    sends_requests = False

    links: Annotated[tuple[Annotated[Link, BeforeValidator(_link)], ...], Field(alias="try")]

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if len(self.links) < 2:
            raise ValueError("try: expected at least two tables [[backend.try]]")
        for number, link in enumerate(self.links[:-1], 1):
            if not link.users and not link.next_on:
                raise ValueError(
                    f"try: table {number} decides for everybody, so the tables after it are never "
                    "asked; set users or next_on in it"
                )
        if self.links[-1].next_on:
            raise ValueError("try: next_on in the last table, after which there is no other")
        return self

    def nested_tables(self) -> dict[str, BackendSettings]:
        return {f"try.{number}": link.backend for number, link in enumerate(self.links, 1)}


class Chain(Backend):
    Settings = ChainSettings

    def __init__(self, settings: ChainSettings) -> None:
        self._links = [
            (f"try.{number}", link, backend_class(link.backend.kind)(link.backend))
            for number, link in enumerate(settings.links, 1)
        ]

    def close(self) -> None:
        for _, _, backend in self._links:
            backend.close()

    def _decide(self, command: Command, http: HttpClient) -> Answer:
        answer = NO_TABLE
        for number, (key, link, backend) in enumerate(self._links, 1):
            if not link.is_for(command.user):
                continue
            nested = http.nested(key)
            operation = getattr(backend, command.operation.value)
            try:
                found = operation(command, nested)
            finally:
                http.adopt(nested)
                http.link = number
            answer = found if isinstance(found, Answer) else Answer(found, _REASONS[found])
            if answer.verdict is not Verdict.DENY or answer.reason not in link.next_on:
                break
        return answer

    auth = isuser = setpass = tryregister = removeuser = removeuser3 = certauth = _decide


_REASONS = {
    Verdict.ALLOW: "allowed",
    Verdict.DENY: "denied",
    Verdict.UNDECIDED: "undecided",
}
