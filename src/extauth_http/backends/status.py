"""The ``status`` kind: the credential is sent as Basic or Bearer, and the status alone is the
answer, as in nginx's ``auth_request``."""

from base64 import b64encode
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from extauth_http.backends.token import (
    BEARER_TOKEN,
    NOT_A_TOKEN,
    AuthScheme,
    TokenBackend,
    TokenSettings,
    check_authorization_is_free,
)
from extauth_http.backends.token_pattern import fill_pattern
from extauth_http.config.endpoint import Url
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, Verdict


class StatusSettings(TokenSettings):
    """``credential = "basic"`` sends ``username_match`` and the password. ``"bearer"`` sends the
    password as a token; then ``username_header`` is the response header that names the owner."""

    unusable_keys: ClassVar[tuple[str, ...]] = (
        *("username_claim", "audience", "issuer", "require", "scope"),
    )

    url: Url
    method: Literal["GET", "HEAD", "POST"] = "GET"
    credential: Literal["basic", "bearer"] = "basic"
    scheme: AuthScheme = "Bearer"
    """The word before the token; only with ``credential = "bearer"``."""
    username_header: str | None = None

    @model_validator(mode="after")
    def _check_owner_and_service_auth(self) -> Self:
        if self.credential == "bearer" and not self.username_header:
            raise ValueError(
                "expected username_header, the header of the response that names the owner: with "
                'credential = "bearer" and without it, any token would let its bearer in as anyone'
            )
        if self.credential == "basic" and "scheme" in self.model_fields_set:
            raise ValueError('scheme: expected credential = "bearer" beside it')
        check_authorization_is_free(self.service_auth)
        return self


class Status(TokenBackend):
    Settings = StatusSettings

    def __init__(self, settings: StatusSettings) -> None:
        super().__init__(settings)
        self._url = settings.url
        self._method = settings.method
        self._is_bearer = settings.credential == "bearer"
        self._scheme = settings.scheme
        self._owner_header = settings.username_header

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        credential = self._bearer(command) if self._is_bearer else self._basic(command)
        if isinstance(credential, Answer):
            return credential
        response = http.request(self._method, self._url, headers={"Authorization": credential})
        if response.status_code in (401, 403):
            return Answer(Verdict.DENY, f"http_{response.status_code}")
        if not 200 <= response.status_code < 300:
            raise response.undecided()
        if self._owner_header:
            owner = response.headers.get(self._owner_header, "")
            if denied := self.check_owner(owner, self._owner_header, command):
                return denied
        return Answer(Verdict.ALLOW, "allowed")

    def _bearer(self, command: Command) -> str | Answer:
        if not BEARER_TOKEN.fullmatch(command.password):
            return NOT_A_TOKEN
        return f"{self._scheme} {command.password}"

    def _basic(self, command: Command) -> str | Answer:
        name = fill_pattern(self._settings.username_match, command.user, command.host)
        if ":" in name:
            # RFC 7617 section 2: the service would read the part after it as the password.
            return Answer(Verdict.DENY, "unsafe_name", "a user name with a colon cannot be sent")
        pair = f"{name}:{command.password}".encode()
        return f"Basic {b64encode(pair).decode()}"
