"""The ``password_grant`` kind: user name and password are sent to the token endpoint (RFC 6749
section 4.3). The token in the response is not used."""

from typing import ClassVar

from extauth_http.backends.oauth import OAuthProvider, OAuthSettings
from extauth_http.backends.token import TokenBackend
from extauth_http.backends.token_pattern import fill_pattern
from extauth_http.config.endpoint import Url
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict


class PasswordGrantSettings(OAuthSettings):
    """``url`` is the token endpoint. ``username_match`` is the user name that is sent."""

    unusable_keys: ClassVar[tuple[str, ...]] = ("username_claim", "audience")

    revocation_url: Url | None = None
    """The revocation endpoint. Without it, discovery may find one."""


class PasswordGrant(TokenBackend):
    Settings = PasswordGrantSettings

    def __init__(self, settings: PasswordGrantSettings) -> None:
        super().__init__(settings)
        self._url = settings.url
        self._revocation_url = settings.revocation_url
        self._provider = OAuthProvider(settings)

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        url = self._url or self._provider.endpoint("token_endpoint", http)
        form = {
            "grant_type": "password",
            "username": fill_pattern(self._settings.username_match, command.user, command.host),
            "password": command.password,
        }
        if self._settings.scope:
            form["scope"] = self._settings.scope
        response = self._provider.post(http, url, form)
        if response.status_code in (400, 401):
            error = response.json_object().get("error")
            if error == "invalid_grant":
                return Answer(Verdict.DENY, "invalid_grant", "the password is wrong")
            detail = f"the token endpoint refuses the request: {_known_error(error)}"
            raise UndecidedError("oauth_error", detail)
        if response.status_code != 200:
            raise response.undecided()
        tokens = response.json_object()
        if not isinstance(tokens.get("access_token"), str) or not tokens["access_token"]:
            raise UndecidedError("not_an_answer", "status 200 without an access_token")
        return Answer(Verdict.ALLOW, "allowed", self._revoke(tokens, http))

    def _revoke(self, tokens: dict[str, object], http: HttpClient) -> str:
        """Revokes the tokens (RFC 7009). Returns what failed; that does not change the verdict."""
        status = http.status
        try:
            url = self._revocation_url
            if url is None and self._provider.has_endpoint("revocation_endpoint", http):
                url = self._provider.endpoint("revocation_endpoint", http)
            for kind in ("refresh_token", "access_token") if url else ():
                token = tokens.get(kind)
                if isinstance(token, str) and url:
                    form = {"token": token, "token_type_hint": kind}
                    response = self._provider.post(http, url, form)
                    if response.status_code != 200:
                        raise response.undecided()
        except UndecidedError as undecided:
            return f"the token could not be revoked: {undecided.reason}"
        finally:
            http.status = status
        return ""


_ERRORS = {
    *("invalid_request", "invalid_client", "unauthorized_client"),
    *("unsupported_grant_type", "invalid_scope"),
}
"""The errors of RFC 6749 section 5.2, except invalid_grant."""


def _known_error(error: object) -> str:
    """The error by its name in RFC 6749. Another text of the provider may hold anything."""
    return error if isinstance(error, str) and error in _ERRORS else "an error of its own"
