"""The ``userinfo`` kind: the password is a bearer token, sent to the UserInfo endpoint (OpenID
Connect Core 1.0 section 5.3)."""

from typing import ClassVar

from extauth_http.backends.oauth import OAuthProvider, OAuthSettings
from extauth_http.backends.token import BEARER_TOKEN, NOT_A_TOKEN, TokenBackend
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, Verdict


class UserinfoSettings(OAuthSettings):
    """``url`` is the UserInfo endpoint. ``issuer`` is used for discovery alone: a UserInfo response
    has no ``iss`` to compare it with."""

    default_claim: ClassVar[str] = "preferred_username"


class Userinfo(TokenBackend):
    Settings = UserinfoSettings

    def __init__(self, settings: UserinfoSettings) -> None:
        super().__init__(settings.model_copy(update={"issuer": None}))
        self._url = settings.url
        self._provider = OAuthProvider(settings)

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        if not BEARER_TOKEN.fullmatch(command.password):
            return NOT_A_TOKEN
        url = self._url or self._provider.endpoint("userinfo_endpoint", http)
        bearer = {"Authorization": f"Bearer {command.password}"}
        response = http.get(url, headers=bearer, service_auth=False)
        if response.status_code == 401:
            return Answer(Verdict.DENY, "http_401", "the token is unknown, expired or revoked")
        if response.status_code != 200:
            raise response.undecided()
        return self.check_claims(response.json_object(), command)
