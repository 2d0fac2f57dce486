"""The ``introspection`` kind: the password is an access token, looked at by RFC 7662."""

from extauth_http.backends.oauth import OAuthSettings, Provider
from extauth_http.backends.token import TokenBackend, claims_of
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict


class IntrospectionSettings(OAuthSettings):
    """``url`` is the introspection endpoint; the owner is the claim ``username`` (section 2.2)."""


class Introspection(TokenBackend):
    Settings = IntrospectionSettings

    def __init__(self, settings: IntrospectionSettings) -> None:
        super().__init__(settings)
        self._url = settings.url
        self._provider = Provider(settings)

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        url = self._url or self._provider.endpoint("introspection_endpoint", http)
        form = {"token": command.password, "token_type_hint": "access_token"}
        answer = self._provider.post(http, url, form)
        if answer.status_code != 200:
            raise answer.undecided()
        claims = claims_of(answer.json())
        if claims.get("active") is False:
            return Answer(Verdict.DENY, "inactive", "the token is unknown, expired or revoked")
        if claims.get("active") is not True:
            raise UndecidedError("not_an_answer", "active is neither true nor false")
        return self.judge(claims, command)
