"""The rules that all token kinds share: who owns a token, for which service it is, until when.

A service that says "this token is valid" does not say whose it is. ALLOW needs the owner of the
token to be the user who logs in.
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

BEARER_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""The syntax of a bearer token (RFC 6750 section 2.1)."""

NOT_A_TOKEN = Answer(Verdict.DENY, "not_a_token", "the password is not a bearer token")


def _isuser_setting(value: Any) -> Any:
    if isinstance(value, str):
        if value not in ("deny", "allow", "undecided"):
            raise ValueError("expected 'deny', 'allow', 'undecided' or a table with a kind")
        return value
    return backend_of_kind(value)


class TokenSettings(BackendSettings):
    """The keys of kinds whose service checks a token."""

    default_claim: ClassVar[str] = "username"
    unusable_keys: ClassVar[tuple[str, ...]] = ()
    """Keys that this kind cannot compare with anything. To set one is an error: a rule that is
    not applied lets in those whom it should keep out."""

    username_claim: str = ""
    """The claim that names the owner; empty: ``default_claim``."""
    username_match: str = "{user}"
    """The name of the owner in that claim, with ``{user}`` and ``{host}``."""
    audience: str | None = None
    scope: str | None = None
    """The scopes that a token needs, separated by spaces."""
    issuer: str | None = None
    isuser: Annotated[
        Literal["deny", "allow", "undecided"] | BackendSettings, BeforeValidator(_isuser_setting)
    ] = Field(default="deny", union_mode="left_to_right")
    """The answer to isuser, or the backend that decides it: a token service cannot."""

    @model_validator(mode="after")
    def _check_owner_rules(self) -> Self:
        if "{user}" not in self.username_match:
            raise ValueError(
                "username_match: expected {user} in it; without it any token would be accepted"
            )
        for key in self.unusable_keys:
            if getattr(self, key):
                raise ValueError(f"{key}: kind {self.kind} has nothing to compare it with")
        return self


class TokenBackend(Backend):
    """The base of kinds whose service checks a token and does not know which users exist."""

    Settings: ClassVar[type[BackendSettings]] = TokenSettings

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._claim = settings.username_claim or settings.default_claim
        self._isuser_backend: Backend | None = None
        if isinstance(settings.isuser, BackendSettings):
            self._isuser_backend = backend_class(settings.isuser.kind)(settings.isuser)

    def close(self) -> None:
        if self._isuser_backend:
            self._isuser_backend.close()

    def isuser(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """The configured answer, or that of the configured backend."""
        if self._isuser_backend is None:
            unknown = "a token service does not know which users exist"
            match self._settings.isuser:
                case "allow":
                    return Answer(Verdict.ALLOW, "allowed")
                case "undecided":
                    raise UndecidedError("cannot_tell", unknown)
            return Answer(Verdict.DENY, "unsupported", unknown)
        nested = http.nested("isuser")
        try:
            return self._isuser_backend.isuser(command, nested)
        finally:
            http.status = nested.status

    def check_claims(self, claims: dict[str, Any], command: Command) -> Answer:
        """ALLOW if the claims name the user of the command as the owner and all rules hold.

        Raises UndecidedError (``not_an_answer``) for a time that is not a number.
        """
        return (
            self._check_owner_claim(claims, command)
            or _check_times(claims)
            or self._check_audience(claims)
            or self._check_issuer(claims)
            or self._check_scope(claims)
            or Answer(Verdict.ALLOW, "allowed")
        )

    def check_owner(self, owner: object, source: str, command: Command) -> Answer | None:
        """None if the owner is the user of the command, else the DENY that says why not.

        Both names are compared as ejabberd compares names (nodeprep). ``source`` is the claim or
        header that names the owner.
        """
        if not isinstance(owner, str):
            return _deny("claim_not_text", f"{source!r} is not a text")
        if not owner:
            return _deny("claim_empty", f"{source!r} is empty")
        expected = fill_pattern(self._settings.username_match, command.user, command.host)
        if nodeprep(owner) != nodeprep(expected):
            return _deny("another_user", f"{source!r} names another user")
        return None

    def _check_owner_claim(self, claims: dict[str, Any], command: Command) -> Answer | None:
        if self._claim not in claims:
            detail = f"{self._claim!r} is missing, so the owner is unknown"
            return _deny("claim_missing", detail)
        return self.check_owner(claims[self._claim], self._claim, command)

    def _check_audience(self, claims: dict[str, Any]) -> Answer | None:
        expected = self._settings.audience
        found = claims.get("aud")
        if expected is None or found == expected:
            return None
        if isinstance(found, list) and expected in found:
            return None
        return _deny("wrong_audience", "the token is for another service, or names no service")

    def _check_issuer(self, claims: dict[str, Any]) -> Answer | None:
        expected = self._settings.issuer
        if expected is None or claims.get("iss") == expected:
            return None
        return _deny("wrong_issuer", "the token is of another issuer, or names no issuer")

    def _check_scope(self, claims: dict[str, Any]) -> Answer | None:
        if self._settings.scope is None:
            return None
        found = claims.get("scope")
        present = set(found.split(" ")) if isinstance(found, str) else set()
        if set(self._settings.scope.split()) <= present:
            return None
        return _deny("scope_missing", "the token lacks a scope that the configuration requires")


def _check_times(claims: dict[str, Any]) -> Answer | None:
    """``exp`` and ``nbf`` (RFC 7519 section 4.1), if they are there: seconds since 1970."""
    now = time.time()
    for name in ("exp", "nbf"):
        value = claims.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UndecidedError("not_an_answer", f"{name} is not a number")
        if name == "exp" and value <= now:
            return _deny("expired", "the token has expired")
        if name == "nbf" and value > now:
            return _deny("not_yet_valid", "the token is not valid yet")
    return None


def _deny(reason: str, detail: str) -> Answer:
    return Answer(Verdict.DENY, reason, detail)
