"""Whose token is it, is it for us, and is it still good: the rules that all token kinds share.

A service that says "this token is valid" has not said for whom. ALLOW needs the token's owner to be
the one who logs in.
"""

import re
import time
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from extauth_http.backends.base import Backend
from extauth_http.backends.registry import backend_class, backend_of_kind
from extauth_http.backends.token_pattern import fill_pattern
from extauth_http.config.backend import BackendSettings
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.preparation import nodeprep
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict

BEARER = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""What a bearer token may consist of (RFC 6750 section 2.1)."""


def _existence(value: Any) -> Any:
    if isinstance(value, str):
        if value not in ("deny", "allow", "undecided"):
            raise ValueError("expected 'deny', 'allow', 'undecided' or a table with a kind")
        return value
    return backend_of_kind(value)


class TokenSettings(BackendSettings):
    """Keys of the kinds that ask about a token."""

    default_claim: ClassVar[str] = "username"
    unheeded: ClassVar[tuple[str, ...]] = ()
    """Keys that a kind has nothing to compare with: a rule that is set and not kept lets in whom
    it is there to keep out."""

    username_claim: str = ""
    """Which claim names the owner; the default is the kind's."""
    username_match: str = "{user}"
    """What the owner is called there, with ``{user}`` and ``{host}``."""
    audience: str | None = None
    scope: str | None = None
    """Scopes that all have to be there, separated by spaces."""
    issuer: str | None = None
    isuser: Annotated[
        Literal["deny", "allow", "undecided"] | BackendSettings, BeforeValidator(_existence)
    ] = Field(default="deny", union_mode="left_to_right")

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if "{user}" not in self.username_match:
            raise ValueError("username_match: expected {user} in it, or any token would do")
        for key in self.unheeded:
            if getattr(self, key):
                raise ValueError(f"{key}: kind {self.kind} has nothing to compare it with")
        return self


class TokenBackend(Backend):
    """What token kinds have in common: they cannot tell who exists."""

    Settings: ClassVar[type[BackendSettings]] = TokenSettings

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._claim = settings.username_claim or settings.default_claim
        self._user_backend: Backend | None = None
        if isinstance(settings.isuser, BackendSettings):
            self._user_backend = backend_class(settings.isuser.kind)(settings.isuser)

    def close(self) -> None:
        if self._user_backend:
            self._user_backend.close()

    def isuser(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """As configured: the same for everybody, or what another backend says."""
        if self._user_backend is None:
            match self._settings.isuser:
                case "allow":
                    return Answer(Verdict.ALLOW, "allowed")
                case "undecided":
                    raise UndecidedError("cannot_tell", "a token service does not know who exists")
            return Answer(Verdict.DENY, "unsupported", "a token service does not know who exists")
        nested = http.nested("isuser")
        try:
            return self._user_backend.isuser(command, nested)
        finally:
            http.status = nested.status

    def judge(self, claims: dict[str, Any], command: Command) -> Answer:
        """ALLOW where these claims are of the one who logs in, for us, and good by now."""
        return (
            self._owner(claims, command)
            or _time(claims)
            or self._audience(claims)
            or self._issuer(claims)
            or self._scope(claims)
            or Answer(Verdict.ALLOW, "allowed")
        )

    def _owner(self, claims: dict[str, Any], command: Command) -> Answer | None:
        if self._claim not in claims:
            return _no("claim_missing", f"nothing says whose token it is: no {self._claim!r}")
        return self.owned_by(claims[self._claim], command)

    def owned_by(self, owner: Any, command: Command) -> Answer | None:
        """None where this is the one who logs in, else the DENY that says why not."""
        if not isinstance(owner, str):
            return _no("claim_not_text", f"{self._claim!r} is not a text")
        if not owner:
            return _no("claim_empty", f"{self._claim!r} is empty")
        expected = fill_pattern(self._settings.username_match, command.user, command.host)
        if nodeprep(owner) != nodeprep(expected):
            return _no("another_user", "the token is somebody else's")
        return None

    def _audience(self, claims: dict[str, Any]) -> Answer | None:
        expected = self._settings.audience
        found = claims.get("aud")
        if expected is None or found == expected:
            return None
        if isinstance(found, list) and expected in found:
            return None
        return _no("wrong_audience", "the token is for another service, or does not say for which")

    def _issuer(self, claims: dict[str, Any]) -> Answer | None:
        expected = self._settings.issuer
        if expected is None or claims.get("iss") == expected:
            return None
        return _no("wrong_issuer", "the token is of another issuer, or does not say of which")

    def _scope(self, claims: dict[str, Any]) -> Answer | None:
        if self._settings.scope is None:
            return None
        found = claims.get("scope")
        there = set(found.split(" ")) if isinstance(found, str) else set()
        if set(self._settings.scope.split()) <= there:
            return None
        return _no("scope_missing", "the token does not reach as far as it has to")


def _time(claims: dict[str, Any]) -> Answer | None:
    now = time.time()
    for name in ("exp", "nbf"):
        value = claims.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UndecidedError("not_an_answer", f"{name} is not a number")
        if name == "exp" and value <= now:
            return _no("expired", "the token has expired")
        if name == "nbf" and value > now:
            return _no("not_yet_valid", "the token is not valid yet")
    return None


def _no(reason: str, detail: str) -> Answer:
    return Answer(Verdict.DENY, reason, detail)


def claims_of(found: Any) -> dict[str, Any]:
    """A JSON answer that has to be an object. Raises Undecided."""
    if not isinstance(found, dict):
        raise UndecidedError("not_an_answer", "expected a JSON object")
    return found
