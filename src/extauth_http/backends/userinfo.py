"""The ``userinfo`` kind: the password is a bearer token, shown to the UserInfo endpoint
(OpenID Connect Core 1.0 section 5.3)."""

from typing import ClassVar

from extauth_http.backends.oauth import OAuthSettings, Provider
from extauth_http.backends.token import BEARER, TokenBackend, claims_of
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, Verdict


class UserinfoSettings(OAuthSettings):
    """``url`` is the UserInfo endpoint. ``issuer`` is only where it is found: the answer comes from
    there, and has no ``iss`` of its own."""

    default_claim: ClassVar[str] = "preferred_username"


class Userinfo(TokenBackend):
    Settings = UserinfoSettings

    def __init__(self, settings: UserinfoSettings) -> None:
        super().__init__(settings.model_copy(update={"issuer": None}))
        self._url = settings.url
        self._provider = Provider(settings)

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        if not BEARER.fullmatch(command.password):
            return Answer(Verdict.DENY, "not_a_token", "no bearer token looks like that")
        url = self._url or self._provider.endpoint("userinfo_endpoint", http)
        bearer = [("Authorization", f"Bearer {command.password}")]
        answer = http.get(url, headers=bearer, service_auth=False)
        if answer.status_code == 401:
            return Answer(Verdict.DENY, "http_401", "the token is unknown, expired or revoked")
        if answer.status_code != 200:
            raise answer.undecided()
        return self.judge(claims_of(answer.json()), command)
