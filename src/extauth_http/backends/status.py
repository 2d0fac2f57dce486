"""The ``status`` kind: the credential goes as Basic or Bearer, and the status alone is the answer,
as in nginx's ``auth_request``."""

from base64 import b64encode
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from extauth_http.backends.token import BEARER, TokenBackend, TokenSettings
from extauth_http.backends.token_pattern import fill_pattern
from extauth_http.config.endpoint import Url
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, Verdict


class StatusSettings(TokenSettings):
    """``credential = "basic"`` sends ``username_match`` and the password; ``"bearer"`` sends the
    password as a token, and then ``username_header`` has to name the header of the answer that says
    whose token it is."""

    unheeded: ClassVar[tuple[str, ...]] = ("username_claim", "audience", "issuer", "scope")

    url: Url
    method: Literal["GET", "HEAD", "POST"] = "GET"
    credential: Literal["basic", "bearer"] = "basic"
    username_header: str | None = None

    @model_validator(mode="after")
    def _knows_the_owner(self) -> Self:
        if self.credential == "bearer" and not self.username_header:
            raise ValueError(
                "expected username_header, the header of the answer that names the owner: with "
                'credential = "bearer" and without it, any token would let its bearer in as anyone'
            )
        if self.service_auth is not None and self.service_auth.kind != "header":
            raise ValueError("service_auth: expected kind header, for Authorization is the user's")
        return self


class Status(TokenBackend):
    Settings = StatusSettings

    def __init__(self, settings: StatusSettings) -> None:
        super().__init__(settings)
        self._asks = settings
        self._claim = settings.username_header or ""

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        if self._asks.credential == "bearer":
            if not BEARER.fullmatch(command.password):
                return Answer(Verdict.DENY, "not_a_token", "no bearer token looks like that")
            credential = f"Bearer {command.password}"
        else:
            name = fill_pattern(self._asks.username_match, command.user, command.host)
            if ":" in name:
                # RFC 7617 section 2: what follows would be taken for the password.
                return Answer(Verdict.DENY, "unsafe_name", "a name with a colon is no user-id")
            pair = f"{name}:{command.password}".encode()
            credential = f"Basic {b64encode(pair).decode()}"
        headers = [("Authorization", credential)]
        answer = http.request(self._asks.method, self._asks.url, headers=headers)
        if answer.status_code in (401, 403):
            return Answer(Verdict.DENY, f"http_{answer.status_code}")
        if not 200 <= answer.status_code < 300:
            raise answer.undecided()
        if self._asks.username_header:
            owner = answer.headers.get(self._asks.username_header, "")
            if denied := self.owned_by(owner, command):
                return denied
        return Answer(Verdict.ALLOW, "allowed")
