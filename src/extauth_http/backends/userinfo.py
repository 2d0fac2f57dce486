"""The ``userinfo`` kind: the password is a bearer token, sent to the UserInfo endpoint (OpenID
Connect Core 1.0 section 5.3)."""

from typing import ClassVar, Self

from pydantic import model_validator

from extauth_http.backends.oauth import OAuthProvider, OAuthSettings
from extauth_http.backends.oauth_errors import parse_challenge
from extauth_http.backends.token import (
    BEARER_TOKEN,
    NOT_A_TOKEN,
    AuthScheme,
    TokenBackend,
    check_authorization_is_free,
)
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, Verdict
from extauth_http.terminal.masking import quotes_nothing


class UserinfoSettings(OAuthSettings):
    """``url`` is the UserInfo endpoint, or ``issuer`` finds it by discovery. A UserInfo response
    has no ``iss``, so ``issuer`` is not compared with anything.

    ``service_auth`` is an additional header, for a service that needs an API key beside the token.
    """

    default_claim: ClassVar[str] = "preferred_username"

    scheme: AuthScheme = "Bearer"

    @model_validator(mode="after")
    def _check_usable_keys(self) -> Self:
        for key in ("client_id", "client_secret", "client_auth"):
            if key in self.model_fields_set:
                raise ValueError(f"{key}: the UserInfo endpoint gets no client credentials")
        if self.url is not None and self.issuer is not None:
            raise ValueError("expected url or issuer, not both: nothing is compared with issuer")
        check_authorization_is_free(self.service_auth)
        return self


class Userinfo(TokenBackend):
    Settings = UserinfoSettings

    def __init__(self, settings: UserinfoSettings) -> None:
        super().__init__(settings.model_copy(update={"issuer": None}))
        self._url = settings.url
        self._scheme = settings.scheme
        self._provider = OAuthProvider(settings)

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        if not BEARER_TOKEN.fullmatch(command.password):
            return NOT_A_TOKEN
        url = self._url or self._provider.endpoint("userinfo_endpoint", http)
        response = http.get(url, headers={"Authorization": f"{self._scheme} {command.password}"})
        challenge = parse_challenge(response.headers.get("www-authenticate", ""))
        if response.status_code == 401:
            error = f" ({challenge.error})" if challenge.error else ""
            return Answer(Verdict.DENY, "http_401", f"the service refused the token{error}")
        if response.status_code == 403 and challenge.error == "insufficient_scope":
            scope = challenge.scope if quotes_nothing(challenge.scope, [command.password]) else ""
            needed = f": {scope}" if scope else ""
            detail = f"the service requires a scope that the token lacks{needed}"
            return Answer(Verdict.DENY, "scope_missing", detail)
        if response.status_code != 200:
            raise response.undecided()
        return self.check_claims(response.json_object(), command)
