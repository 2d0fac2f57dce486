"""ejabberd's admin API (``mod_http_api``): a command and its arguments → what the server said.

Each call is a POST of a JSON object to API/COMMAND on a connection of its own, so that it is known
whether a call that failed can have done anything.
"""

import json
import re
import ssl
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
from pydantic_core import PydanticCustomError

from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.ejabberd_api.hints import LISTENER, if_lost, if_refused, if_unreachable
from extauth_http.ejabberd_api.masking import masked, secrets_of
from extauth_http.ejabberd_api.releases import Form, Release, forms, release_of, since
from extauth_http.terminal.masking import mask_secrets

T = TypeVar("T")
MAX_SAID = 300  # characters of what a server said
MAX_BODY = 64 << 20  # bytes of an answer: a list of all rooms may be long
COUNTS = frozenset({"kick_user"})
"""Commands that answer a number; of any other that changes something, 0 is its yes and 1 its no."""

AWAY = 0.5  # seconds that one call waits for a server that is not there
BETWEEN = 0.1  # seconds between two tries
PATIENCE = 20  # calls, one after the other, that wait in vain before none does any more


class ApiError(Exception):
    """A call that brought no result: which command, what was said, and what to do about it.

    ``is_undone`` says whether it is certain that nothing was changed by it. ``is_refused`` says
    that ejabberd understood it and would not. ``status`` is the HTTP status, 0 without an answer.
    """

    def __init__(
        self,
        command: str,
        said: str,
        advice: str = "",
        *,
        status: int = 0,
        is_undone: bool = True,
        is_refused: bool = False,
    ) -> None:
        super().__init__(command, said)
        self.command = command
        self.said = said
        self.advice = advice
        self.status = status
        self.is_undone = is_undone
        self.is_refused = is_refused

    def __str__(self) -> str:
        unsure = "" if self.is_undone else "; it is not known whether it was done"
        return f"{self.command}: {self.said}{unsure}"


class Api:
    """One server's API. ``dry_run`` is told each call that would change something, instead of the
    server; what only looks is asked all the same."""

    def __init__(
        self, settings: EjabberdSettings, dry_run: Callable[[str], None] | None = None
    ) -> None:
        self.url = str(settings.api)
        self.settings = settings
        self._dry_run = dry_run
        self._release: Release | None = None
        self._is_asked = False
        self._refused = 0
        try:
            tls: ssl.SSLContext | bool = settings.tls.context() if settings.tls.is_set else True
        except PydanticCustomError as error:
            raise ApiError("tls", str(error)) from None
        headers = settings.service_auth.headers() if settings.service_auth else []
        self._http = httpx.Client(
            base_url=f"{self.url.rstrip('/')}/",
            headers=[*headers, (b"Accept-Encoding", b"identity")],
            verify=tls,
            timeout=settings.timeout,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    @property
    def is_dry(self) -> bool:
        return self._dry_run is not None

    @property
    def release(self) -> Release | None:
        """The server's release, asked for once; None where it does not tell."""
        if not self._is_asked:
            try:
                self._release = release_of(self._send(Form((0, 0), "status"), {}))
            except ApiError as error:
                if not error.is_refused:
                    error.is_undone = True
                    raise
            self._is_asked = True
        return self._release

    def has(self, command: str) -> bool:
        """Whether the server's release came with a command."""
        return bool(forms(command, self.release))

    def look(self, command: str, **arguments: Any) -> Any:
        """What the server says to a command that changes nothing. Raises ApiError."""
        try:
            return self._ask(command, arguments)
        except ApiError as error:
            error.is_undone = True
            raise

    def listed(self, command: str, of: Callable[[Any], T], **arguments: Any) -> list[T]:
        """What the server lists, each item as ``of`` reads it. Raises ApiError, also for what is no
        list and for an item of another shape."""
        said = self.look(command, **arguments)
        try:
            if isinstance(said, list):
                return [of(each) for each in said]
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
            pass
        raise unreadable(command)

    def change(self, command: str, **arguments: Any) -> Any:
        """What the server says to a command that changes something; None on a dry run, which
        tells the call instead. Raises ApiError."""
        if self._dry_run is None:
            said = self._ask(command, arguments)
            if type(said) is int and said != 0 and command not in COUNTS:
                raise ApiError(command, f"ejabberd says no, and not why ({said})", is_undone=False)
            return said
        form = self._forms(command)[0]
        shown = masked(form.spoken(arguments), [])
        self._dry_run(f"{form.path} {json.dumps(shown, ensure_ascii=False)}")
        return None

    def _forms(self, command: str) -> list[Form]:
        found = forms(command, self.release)
        if not found:
            year, month = since(command)
            said = f"this ejabberd does not have it; it came with {year}.{month:02}"
            raise ApiError(command, said, is_refused=True)
        return found

    def _ask(self, command: str, arguments: dict[str, Any]) -> Any:
        """Where the server says that it would be called otherwise, nothing was done: the forms of
        other releases are tried, for a server between two that the table knows."""
        first: ApiError | None = None
        for form in self._forms(command):
            try:
                return self._send(form, form.spoken(arguments))
            except ApiError as error:
                first = first or error
                if not _is_about_form(error):
                    raise
        assert first is not None  # noqa: S101 - there is at least one form
        raise first

    def _send(self, form: Form, arguments: dict[str, Any]) -> Any:
        command = form.path.partition("/")[0]
        try:
            answer, body = self._post(form.path, arguments)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            said = f"nothing answers at {self.url} ({_without_address(error)})"
            raise ApiError(command, said, if_unreachable(error)) from None
        except (httpx.LocalProtocolError, UnicodeEncodeError):
            said = "this cannot be sent over HTTP"
            raise ApiError(command, said, "look at the values in [ejabberd.service_auth]") from None
        except httpx.HTTPError as error:
            said = f"the answer got lost ({type(error).__name__})"
            raise ApiError(command, said, if_lost(error), is_undone=False) from None
        if len(body) > MAX_BODY:
            said = f"the answer is longer than {MAX_BODY >> 20} MiB"
            raise ApiError(command, said, is_undone=False)
        return self._read(command, answer, body, arguments)

    def _post(self, path: str, arguments: dict[str, Any]) -> tuple[httpx.Response, bytes]:
        """A connection that is refused has done nothing, and a server that restarts is soon back:
        so it is tried for a moment, but not again and again for one that stays away."""
        end = time.monotonic() + AWAY if self._refused < PATIENCE else 0.0
        while True:
            try:
                with self._http.stream("POST", path, json=arguments) as answer:
                    self._refused = 0
                    return answer, self._body(answer)
            except httpx.ConnectError as error:
                if "refused" not in str(error) or time.monotonic() >= end:
                    self._refused += 1
                    raise
                time.sleep(BETWEEN)

    def _body(self, answer: httpx.Response) -> bytes:
        """As it came: what is compressed was not asked for, and may be endless."""
        due = time.monotonic() + self.settings.timeout
        body = bytearray()
        for piece in answer.iter_raw():
            body += piece
            if len(body) > MAX_BODY:
                break
            if time.monotonic() > due:
                raise httpx.ReadTimeout("dripping")
        return bytes(body)

    def _read(
        self, command: str, answer: httpx.Response, body: bytes, arguments: dict[str, Any]
    ) -> Any:
        status = answer.status_code
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            kind = answer.headers.get("content-type", "no content type")[:MAX_SAID]
            raise ApiError(
                command,
                f"{self.url} answers with status {status} and {self._masked(kind, arguments)}: "
                "that is not mod_http_api",
                f"name its path in ejabberd.api, or serve it there:\n\n{LISTENER}",
                status=status,
                # A gateway between may say this of what ejabberd has done.
                is_undone=300 <= status < 500,
            ) from None
        if status == httpx.codes.OK:
            return said
        text = said.get("message", "") if isinstance(said, dict) else said
        text = self._masked(" ".join(str(text).split()), arguments)[:MAX_SAID]
        raise ApiError(
            command,
            f"ejabberd says: {text or f'status {status}'}",
            if_refused(command, status, is_named=self.settings.service_auth is not None),
            status=status,
            # An error of its own may come after it has done a part.
            is_undone=status < 500,
            is_refused=True,
        )

    def _masked(self, text: str, arguments: dict[str, Any]) -> str:
        """A text of the server's without what it repeats of the secrets that it was sent."""
        sent = secrets_of(self.settings.service_auth) if self.settings.service_auth else []
        masked(arguments, sent)
        return mask_secrets(text, sent)

    def close(self) -> None:
        self._http.close()


def unreadable(command: str) -> ApiError:
    """That an answer is JSON, and yet not what the command answers from 23.01 to 26.07."""
    return ApiError(command, "ejabberd answers with something that this command is not known for")


_ABOUT_FORM = re.compile(
    "missing argument|unknown argument|duplicate argument|is not in format|Missing command name"
)


def _is_about_form(error: ApiError) -> bool:
    return error.status == httpx.codes.BAD_REQUEST and bool(_ABOUT_FORM.search(error.said))


def _without_address(error: Exception) -> str:
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
