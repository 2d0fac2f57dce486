"""The ``password_grant`` kind: user name and password are sent to the token endpoint (RFC 6749
section 4.3). The token in the response is not used."""

from typing import ClassVar

from extauth_http.backends.oauth import OAuthProvider, OAuthSettings, client_refused
from extauth_http.backends.oauth_errors import (
    ACCOUNT_ERRORS,
    CLIENT_ERRORS,
    CREDENTIAL_ERRORS,
    REQUEST_ERRORS,
    description,
)
from extauth_http.backends.token import TokenBackend
from extauth_http.backends.token_pattern import fill_pattern
from extauth_http.config.endpoint import Url
from extauth_http.http.client import HttpClient
from extauth_http.http.response import Response
from extauth_http.protocol.command import Command
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict


class PasswordGrantSettings(OAuthSettings):
    """``url`` is the token endpoint. ``username_match`` is the user name that is sent."""

    unusable_keys: ClassVar[tuple[str, ...]] = ("username_claim", "audience", "require")

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
        if 400 <= response.status_code < 500:
            return self._refusal(response, form)
        if response.status_code != 200:
            raise response.undecided()
        tokens = response.json_object()
        if not isinstance(tokens.get("access_token"), str) or not tokens["access_token"]:
            raise UndecidedError("not_an_answer", "status 200 without an access_token")
        return Answer(Verdict.ALLOW, "allowed", self._revoke(tokens, http))

    def _refusal(self, response: Response, form: dict[str, str]) -> Answer:
        """The answer to a 4xx response. Only its ``error`` member says whether the user or this
        client is refused: providers send 400, 401 and 403 for either.

        Raises UndecidedError if it is not the user.
        """
        status = response.status_code
        body = _json_object(response)
        error = body.get("error")
        if not isinstance(error, str):
            raise _unexplained(status)
        secrets = [form["username"], form["password"], *self._provider.secrets]
        described = description(body.get("error_description"), secrets)
        if error in CREDENTIAL_ERRORS:
            detail = f"the provider refused these credentials{described}"
            return Answer(Verdict.DENY, "invalid_grant", detail)
        if error == "mfa_required":
            detail = "the account requires a second factor, which XMPP does not transport"
            return Answer(Verdict.DENY, "mfa_required", detail)
        if error in ACCOUNT_ERRORS:
            return Answer(Verdict.DENY, "account_refused", f"{error}{described}")
        if error in CLIENT_ERRORS:
            raise client_refused(status)
        known = error if error in REQUEST_ERRORS else "an error that is in no specification"
        raise UndecidedError(
            "oauth_error", f"the token endpoint refuses the request: {known}{described}"
        )

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
                    response = self._provider.post_as_client(http, url, form)
                    if response.status_code != 200:
                        raise response.undecided()
        except UndecidedError as undecided:
            return f"the token could not be revoked: {undecided.reason}"
        finally:
            http.status = status
        return ""


def _json_object(response: Response) -> dict[str, object]:
    try:
        return response.json_object()
    except UndecidedError:
        return {}


def _unexplained(status: int) -> UndecidedError:
    return UndecidedError(
        f"http_{status}",
        f"status {status} without an OAuth error: the provider refuses the user's credentials or "
        "this program",
    )
