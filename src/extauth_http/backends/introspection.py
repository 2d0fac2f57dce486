"""The ``introspection`` kind: the password is an access token, checked by RFC 7662."""

from extauth_http.backends.oauth import OAuthProvider, OAuthSettings
from extauth_http.backends.token import TokenBackend
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict


class IntrospectionSettings(OAuthSettings):
    """``url`` is the introspection endpoint. The owner is in the claim ``username`` (RFC 7662
    section 2.2)."""

    def warnings(self) -> list[str]:
        """As in the base class, and that a token of another type or for another service may pass.

        Some providers say nothing about the type of a token. A refresh token is then only
        recognised by its audience.
        """
        found = super().warnings()
        if self.audience is None and not _TYPE_CLAIMS & self.require.keys():
            found.append(
                "audience: not set. Tokens that the provider issued for other services are "
                "accepted, and refresh tokens too if the provider does not state the type of a "
                "token"
            )
        return found


_TYPE_CLAIMS = frozenset({"aud", "token_type", "token_use", "typ"})
"""Claims that limit which tokens are accepted, if ``require`` has one of them."""


class Introspection(TokenBackend):
    Settings = IntrospectionSettings

    def __init__(self, settings: IntrospectionSettings) -> None:
        super().__init__(settings)
        self._url = settings.url
        self._provider = OAuthProvider(settings)

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        url = self._url or self._provider.endpoint("introspection_endpoint", http)
        form = {"token": command.password, "token_type_hint": "access_token"}
        response = self._provider.post_as_client(http, url, form)
        if response.status_code != 200:
            raise response.undecided()
        claims = response.json_object()
        if claims.get("active") is False:
            return Answer(
                Verdict.DENY,
                "inactive",
                "the token is unknown, expired or revoked, or this client may not inspect it (RFC "
                "7662 section 2.2)",
            )
        if "active" not in claims:
            raise UndecidedError("not_an_answer", "active is missing")
        return self.check_claims(claims, command)
