"""One more request after an ALLOW, for a login that creates something at the service.

An example is a token endpoint: the login creates a token that nobody will use, and the follow-up
request revokes it. The result never changes the verdict.
"""

from collections.abc import Mapping

from extauth_http.backends.placeholders import ANSWER, Values, names_for
from extauth_http.backends.request_tables import RequestTable
from extauth_http.backends.request_template import RequestTemplate, UnsafeValueError, send
from extauth_http.backends.response_rules import ResponseView, find
from extauth_http.config.endpoint import Endpoint
from extauth_http.config.section import SecretFile
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Operation
from extauth_http.protocol.verdict import UndecidedError


class FollowUpTable(RequestTable):
    """The ``after`` table. ``{answer.access_token}`` is a field of the response before."""

    path: str


class FollowUp:
    """The compiled request. Raises ValueError that names the key."""

    def __init__(
        self, table: FollowUpTable, operation: Operation, headers: Mapping[str, str | SecretFile]
    ) -> None:
        try:
            self._request = RequestTemplate.compile(
                table,
                names_for(operation),
                headers=headers,
                default_path="",
                default_json=None,
                answer=True,
            )
        except ValueError as error:
            raise ValueError(f"after.{error}") from None
        self._fields = {
            name: name.removeprefix(ANSWER).split(".")
            for name in self._request.names
            if name.startswith(ANSWER)
        }

    def run(self, http: HttpClient, url: Endpoint, values: Values, response: ResponseView) -> str:
        """Sends the request. Returns what failed, as a sentence for the log; empty if nothing."""
        status = http.status
        try:
            answers = {
                name: _text(find(response.document, path)) for name, path in self._fields.items()
            }
            missing = [name for name, text in answers.items() if text is None]
            if missing:
                return f"the follow-up request was not sent: {{{missing[0]}}} is missing"
            found = {name: text for name, text in answers.items() if text is not None}
            request = self._request.prepare({**values, **found})
            result = send(http, request.endpoint(url), request)
        except UnsafeValueError as error:
            return f"the follow-up request was not sent: {error}"
        except UndecidedError as error:
            return f"the follow-up request failed: {error.reason}"
        finally:
            http.status = status
        if 200 <= result.status_code < 300:
            return ""
        return f"the follow-up request failed: status {result.status_code}"


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else None
