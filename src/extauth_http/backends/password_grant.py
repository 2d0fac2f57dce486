"""The ``password_grant`` kind: user name and password are tried at the token endpoint
(RFC 6749 section 4.3). The token that comes back is thrown away."""

from typing import ClassVar

from extauth_http.backends.oauth import OAuthSettings, Provider
from extauth_http.backends.token import TokenBackend, claims_of
from extauth_http.backends.token_pattern import fill_pattern
from extauth_http.config.endpoint import Url
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict


class PasswordGrantSettings(OAuthSettings):
    """``url`` is the token endpoint; ``username_match`` is the name that is sent there."""

    unheeded: ClassVar[tuple[str, ...]] = ("username_claim", "audience")

    revocation_url: Url | None = None


class PasswordGrant(TokenBackend):
    Settings = PasswordGrantSettings

    def __init__(self, settings: PasswordGrantSettings) -> None:
        super().__init__(settings)
        self._url = settings.url
        self._revocation_url = settings.revocation_url
        self._provider = Provider(settings)

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        url = self._url or self._provider.endpoint("token_endpoint", http)
        form = {
            "grant_type": "password",
            "username": fill_pattern(self._settings.username_match, command.user, command.host),
            "password": command.password,
        }
        if self._settings.scope:
            form["scope"] = self._settings.scope
        answer = self._provider.post(http, url, form)
        if answer.status_code in (400, 401):
            error = claims_of(answer.json()).get("error")
            if error == "invalid_grant":
                return Answer(Verdict.DENY, "invalid_grant", "the password is wrong")
            raise UndecidedError("oauth_error", f"the token endpoint refuses: {_known(error)}")
        if answer.status_code != 200:
            raise answer.undecided()
        tokens = claims_of(answer.json())
        if not isinstance(tokens.get("access_token"), str) or not tokens["access_token"]:
            raise UndecidedError("not_an_answer", "status 200 without an access_token")
        return Answer(Verdict.ALLOW, "allowed", self._revoked(tokens, http))

    def _revoked(self, tokens: dict[str, object], http: HttpClient) -> str:
        """Ends the tokens (RFC 7009); what did not work. The verdict stands all the same."""
        status = http.status
        try:
            url = self._revocation_url
            if url is None and self._provider.has("revocation_endpoint", http):
                url = self._provider.endpoint("revocation_endpoint", http)
            for kind in ("refresh_token", "access_token") if url else ():
                token = tokens.get(kind)
                if isinstance(token, str) and url:
                    answer = self._provider.post(
                        http, url, {"token": token, "token_type_hint": kind}
                    )
                    if answer.status_code != 200:
                        raise answer.undecided()
        except UndecidedError as undecided:
            return f"the token could not be revoked: {undecided.reason}"
        finally:
            http.status = status
        return ""


_ERRORS = {"invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type"}
_ERRORS |= {"invalid_scope"}


def _known(error: object) -> str:
    """The error by its name in RFC 6749 section 5.2; never a text of the provider's."""
    return error if isinstance(error, str) and error in _ERRORS else "an error of its own"
