"""The client of ejabberd's admin API (``mod_http_api``).

A call is a POST of a JSON object with the arguments to API/COMMAND, on a connection of its own:
if the call fails, it is known whether ejabberd can have executed it.
"""

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.ejabberd_api import hints
from extauth_http.ejabberd_api.errors import ApiError, unexpected_result
from extauth_http.ejabberd_api.masking import mask_arguments, sent_secrets
from extauth_http.ejabberd_api.polling import wait_until
from extauth_http.ejabberd_api.releases import (
    FORMS,
    Form,
    Release,
    first_release,
    forms_for,
    parse_release,
)
from extauth_http.ejabberd_api.response import read_result
from extauth_http.http import transport
from extauth_http.http.failure import Step, failure_of

T = TypeVar("T")
MAX_RESPONSE = 64 << 20  # bytes; a list of all rooms can be long
COUNTING = frozenset({"kick_user"})
"""Commands that return a number. Every other command that changes something returns 0 if it
succeeds."""

RECONNECT_TIMEOUT = 0.5  # seconds in which a call tries to connect to a server that is restarting
RECONNECT_INTERVAL = 0.1  # seconds
MAX_UNREACHABLE = 20
"""After this many calls in a row that could not connect, calls no longer wait for the server."""


class ApiClient:
    """The admin API of one server.

    ``dry_run`` makes every call a dry run: it receives the text of each call that would change
    something, without secrets, and the call is not sent. ``http`` replaces the client that follows
    from the settings. Raises ApiError if the TLS files are not usable.
    """

    def __init__(
        self,
        settings: EjabberdSettings,
        dry_run: Callable[[str], None] | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        self.url = str(settings.api)
        self.settings = settings
        self._dry_run = dry_run
        self._release: Release | None = None
        self._has_read_release = False
        self._unreachable = 0
        self._http = http or _http_client(settings)

    @property
    def is_dry_run(self) -> bool:
        return self._dry_run is not None

    @property
    def release(self) -> Release | None:
        """The server's release; None if the caller may not call ``status``. Raises ApiError."""
        if not self._has_read_release:
            try:
                self._release = parse_release(self.query("status"))
            except ApiError as error:
                if not error.is_refused:
                    raise
            self._has_read_release = True
        return self._release

    def has_command(self, command: str) -> bool:
        """Whether the server's release has a command. Raises ApiError."""
        return bool(forms_for(command, self.release))

    def query(self, command: str, **arguments: Any) -> Any:
        """The result of a command that changes nothing. Raises ApiError."""
        try:
            return self._call(command, arguments)
        except ApiError as error:
            error.may_have_changed = False
            raise

    def query_list(self, command: str, parse: Callable[[Any], T], **arguments: Any) -> list[T]:
        """The items that a command lists, each parsed by ``parse``.

        Raises ApiError, also if the result is not a list or if ``parse`` fails with an item.
        """
        result = self.query(command, **arguments)
        try:
            if isinstance(result, list):
                return [parse(item) for item in result]
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            pass
        raise unexpected_result(command)

    def change(self, command: str, **arguments: Any) -> Any:
        """The result of a command that changes something; None in a dry run. Raises ApiError."""
        if self._dry_run is None:
            result = self._call(command, arguments)
            if type(result) is int and result != 0 and command not in COUNTING:
                message = f"ejabberd reports a failure without a reason (result {result})"
                raise ApiError(command, message, may_have_changed=True, is_failure_result=True)
            return result
        form = self._forms(command)[0]
        shown = json.dumps(mask_arguments(form.encode(arguments)), ensure_ascii=False)
        self._dry_run(f"{form.path} {shown}")
        return None

    def close(self) -> None:
        self._http.close()

    def _forms(self, command: str) -> list[Form]:
        # Reading the release is a call of its own, and most commands have only one form.
        forms = forms_for(command, self.release if command in FORMS else None)
        if not forms:
            message = (
                f"ejabberd {self.release} does not have this command; it was added in "
                f"{first_release(command)}"
            )
            raise ApiError(command, message, is_refused=True)
        return forms

    def _call(self, command: str, arguments: dict[str, Any]) -> Any:
        """Tries the forms of a command until the server accepts one.

        A server that rejects the form of a call has not executed it. A server between two releases
        of the table may need another form than its release suggests.
        """
        first: ApiError | None = None
        for form in self._forms(command):
            try:
                return self._send(form, form.encode(arguments))
            except ApiError as error:
                first = first or error
                if not _is_wrong_form(error):
                    raise
        assert first is not None  # noqa: S101 - each command has at least one form
        raise first

    def _send(self, form: Form, arguments: dict[str, Any]) -> Any:
        command = form.path.partition("/")[0]
        try:
            response = self._post(form.path, arguments)
        except UnicodeEncodeError:
            raise ApiError(command, "an argument is not valid Unicode") from None
        except httpx.HTTPError as error:
            raise _not_answered(command, self.settings, error) from None
        secrets = sent_secrets(arguments, self.settings.service_auth)
        return read_result(command, self.settings, response, secrets)

    def _post(self, path: str, arguments: dict[str, Any]) -> httpx.Response:
        """Sends one request. A refused connection is tried again for a moment: nothing was sent,
        and a server that restarts is back soon."""
        response: httpx.Response | None = None
        refused: httpx.ConnectError | None = None

        def is_connected() -> bool:
            nonlocal response, refused
            try:
                response = self._http.post(f"{self.url.rstrip('/')}/{path}", json=arguments)
            except httpx.ConnectError as error:
                failure = failure_of(error)
                if failure is None or failure.reason != "connect_refused":
                    raise
                refused = error
            return response is not None

        timeout = RECONNECT_TIMEOUT if self._unreachable < MAX_UNREACHABLE else 0.0
        wait_until(is_connected, interval=RECONNECT_INTERVAL, timeout=timeout)
        if response is None:
            self._unreachable += 1
            raise refused or httpx.ConnectError("no attempt")
        self._unreachable = 0
        return response


def _http_client(settings: EjabberdSettings) -> httpx.Client:
    try:
        return transport.client(
            timeout=settings.timeout,
            tls=settings.tls,
            headers=settings.service_auth.headers() if settings.service_auth else [],
            max_body=MAX_RESPONSE,
            keep_connections=False,
        )
    except ValueError as error:
        raise ApiError("tls", str(error)) from None


def _not_answered(command: str, settings: EjabberdSettings, error: httpx.HTTPError) -> ApiError:
    """The error for a call that has no usable response."""
    failure = failure_of(error)
    if failure is None:
        return ApiError(command, f"no response ({type(error).__name__})", may_have_changed=True)
    problem = f"{failure.reason}: {failure.detail}"
    if failure.step is Step.PREPARE:
        message = f"HTTP cannot carry this request ({problem})"
    elif failure.step is Step.CONNECT:
        message = f"cannot connect to {settings.api} ({problem})"
    else:
        message = f"no usable response from {settings.api} ({problem})"
    return ApiError(
        command,
        message,
        hints.not_answered(failure, settings.api),
        may_have_changed=failure.may_have_arrived,
        is_unreachable=failure.step is Step.CONNECT,
    )


_WRONG_FORM = re.compile(
    "missing argument|unknown argument|duplicate argument|is not in format|Missing command name"
)
"""What ``mod_http_api`` returns if the arguments or the path are those of another release."""


def _is_wrong_form(error: ApiError) -> bool:
    return error.status == httpx.codes.BAD_REQUEST and bool(_WRONG_FORM.search(error.message))
