"""The rules that all token kinds share: who owns a token, for which service it is, until when.

A service that says "this token is valid" does not say whose it is. ALLOW needs the owner of the
token to be the user who logs in.
"""

import re
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from extauth_http.backends.base import Backend
from extauth_http.backends.registry import backend_class, backend_of_kind
from extauth_http.backends.response_rules import MISSING
from extauth_http.backends.token_claims import (
    Claims,
    Required,
    check_audience,
    check_issuer,
    check_no_denial,
    check_required,
    check_scope,
    check_times,
    check_token_type,
    find_claim,
)
from extauth_http.backends.token_owner import owner_denial
from extauth_http.backends.token_pattern import fill_pattern
from extauth_http.config.backend import BackendSettings
from extauth_http.config.service_auth import ServiceAuth, header_names
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict

BEARER_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""The syntax of a bearer token (RFC 6750 section 2.1)."""


def _auth_scheme(scheme: str) -> str:
    if not _AUTH_SCHEME.fullmatch(scheme):
        raise ValueError("expected the name of an authentication scheme, such as Bearer or Token")
    return scheme


_AUTH_SCHEME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

AuthScheme = Annotated[str, AfterValidator(_auth_scheme)]
"""The word before the token in the Authorization header (RFC 9110 section 11.1)."""

NOT_A_TOKEN = Answer(Verdict.DENY, "not_a_token", "the password is not a bearer token")


OWNER_CLAIMS = ("preferred_username", "username", "sub", "email", "nickname", "name")
"""Claims that usually name the owner of a token."""


def _required_value(value: object) -> object:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, bool | int | float | str) for each in values):
        raise ValueError("expected a text, a number, true, false, or a list of these")
    return value


RequiredValue = Annotated[Any, BeforeValidator(_required_value)]
"""A value that a claim must have, or a list of such values."""


def _isuser_setting(value: Any) -> Any:
    if isinstance(value, str):
        if value not in ("deny", "allow", "undecided"):
            raise ValueError("expected 'deny', 'allow', 'undecided' or a table with a kind")
        return value
    return backend_of_kind(value)


def check_authorization_is_free(service_auth: ServiceAuth | None) -> None:
    """Raises ValueError if ``service_auth`` sends the header that holds the user's credential."""
    if any(name.lower() == "authorization" for name in header_names(service_auth)):
        raise ValueError(
            "service_auth: expected kind header with another name: the Authorization header holds "
            "the user's credential"
        )


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
    require: dict[str, RequiredValue] = Field(default_factory=dict)
    """Claims that a token needs, each with a value or a list of values. An empty list requires
    nothing of a claim."""
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


def _required_claims(settings: TokenSettings, claim: str) -> Required:
    """The configured claims. An e-mail address names its owner only if it is verified: anybody
    can register with the address of someone else."""
    before, _, last = claim.rpartition(".")
    if last != "email":
        return settings.require
    verified = f"{before}.email_verified" if before else "email_verified"
    return {verified: True, **settings.require}


class TokenBackend(Backend):
    """The base of kinds whose service checks a token and does not know which users exist."""

    Settings: ClassVar[type[BackendSettings]] = TokenSettings

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._claim = settings.username_claim or settings.default_claim
        self._required = _required_claims(settings, self._claim)
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
            http.adopt(nested)

    def check_claims(self, claims: Claims, command: Command) -> Answer:
        """ALLOW if the claims name the user of the command as the owner and all rules hold.

        Raises UndecidedError (``not_an_answer``) for claims that are not what they have to be.
        """
        settings = self._settings
        return (
            check_no_denial(claims)
            or check_token_type(claims)
            or self._check_owner_claim(claims, command)
            or check_times(claims)
            or check_audience(claims, settings.audience)
            or check_issuer(claims, settings.issuer)
            or check_scope(claims, settings.scope)
            or check_required(claims, self._required)
            or Answer(Verdict.ALLOW, "allowed")
        )

    def check_owner(self, owner: object, source: str, command: Command) -> Answer | None:
        """None if the owner is the user of the command, else the DENY that says why not.

        ``source`` is the claim or header that names the owner.
        """
        return owner_denial(owner, self._expected_owner(command), source)

    def _expected_owner(self, command: Command) -> str:
        return fill_pattern(self._settings.username_match, command.user, command.host)

    def _check_owner_claim(self, claims: Claims, command: Command) -> Answer | None:
        found = find_claim(claims, self._claim)
        denied = self.check_owner(found, self._claim, command)
        if denied and found is MISSING:
            return replace(denied, detail=denied.detail + self._other_claim(claims, command))
        return denied

    def _other_claim(self, claims: Claims, command: Command) -> str:
        """A suggestion, if another claim names the user."""
        expected = self._expected_owner(command)
        for name in OWNER_CLAIMS:
            if name in claims and owner_denial(claims[name], expected, name) is None:
                return f"; {name!r} names this user: if it always does, set username_claim to it"
        return ""
