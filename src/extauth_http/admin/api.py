"""ejabberd's admin API (``mod_http_api``): a command and its arguments → what the server said.

Each call is a POST of a JSON object to API/COMMAND on a connection of its own, so that it is known
whether a call that failed can have done anything.
"""

import json
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from pydantic_core import PydanticCustomError

from extauth_http.admin.releases import Form, Release, forms, release_of, since
from extauth_http.admin.settings import EjabberdSettings

SECRET = frozenset({"password", "token"})
MASK = "********"
MAX_BODY = 32 << 20  # bytes: a list of every room or token of a large server fits
MAX_SAID = 300  # characters of what a server said

AWAY = 0.5  # seconds that one call waits for a server that is not there
BETWEEN = 0.1  # seconds between two tries
PATIENCE = 20  # calls, one after the other, that wait in vain before none does any more

MODULES = {
    "mod_muc_admin": ("room", "muc", "invitation", "subscribers"),
    "mod_admin_extra": (
        *("kick_session", "send_message", "send_stanza", "user_sessions_info", "check_account"),
    ),
}
PERMISSION = """\
api_permissions:
  "extauth-http":
    from: mod_http_api
    who:
      access:
        allow:
          - user: admin@example.org
    what: "*"
access_rules:
  configure:
    allow:
      - user: admin@example.org"""
"""The second rule is asked by newer releases (26.07) about each command that names a host."""

LISTENER = """\
listen:
  -
    port: 5443
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers:
      /api: mod_http_api"""


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
        super().__init__(f"{command}: {said}")
        self.command = command
        self.said = said
        self.advice = advice
        self.status = status
        self.is_undone = is_undone
        self.is_refused = is_refused


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
        # An answer that arrives packed is a bomb or a mistake.
        headers = [(b"Accept-Encoding", b"identity")]
        headers += settings.service_auth.headers() if settings.service_auth else []
        self._http = httpx.Client(
            base_url=f"{self.url.rstrip('/')}/",
            headers=headers,
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
                    raise
            self._is_asked = True
        return self._release

    def has(self, command: str) -> bool:
        """Whether the server's release came with a command."""
        return bool(forms(command, self.release))

    def look(self, command: str, **arguments: Any) -> Any:
        """What the server says to a command that changes nothing. Raises ApiError."""
        return self._ask(command, arguments)

    def change(self, command: str, **arguments: Any) -> Any:
        """What the server says to a command that changes something; None on a dry run, which
        tells the call instead. Raises ApiError."""
        if self._dry_run is None:
            return self._ask(command, arguments)
        form = self._forms(command)[0]
        shown = {
            key: MASK if key in SECRET and value else value
            for key, value in form.spoken(arguments).items()
        }
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
            status, kind, body = self._post(form.path, arguments)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            said = f"nothing answers at {self.url} ({_without_address(error)})"
            raise ApiError(command, said, _if_unreachable(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = f"the answer got lost ({type(error).__name__}); it is not known whether it ran"
            raise ApiError(command, said, is_undone=False) from None
        if len(body) > MAX_BODY:
            said = f"the answer is too long, above {MAX_BODY >> 20} MiB"
            raise ApiError(command, said, is_undone=False)
        return self._read(command, status, kind, body)

    def _post(self, path: str, arguments: dict[str, Any]) -> tuple[int, str, bytes]:
        """The status, the kind of content and the body, of which no more is read than may be.

        A connection that is refused has done nothing, and a server that restarts is soon back:
        so it is tried for a moment, but not again and again for one that stays away."""
        end = time.monotonic() + AWAY if self._refused < PATIENCE else 0.0
        while True:
            try:
                with self._http.stream("POST", path, json=arguments) as answer:
                    self._refused = 0
                    body = bytearray()
                    for part in answer.iter_bytes():
                        body += part
                        if len(body) > MAX_BODY:
                            break
                    kind = answer.headers.get("content-type", "no content type")
                    return answer.status_code, kind, bytes(body)
            except httpx.ConnectError as error:
                if "refused" not in str(error) or time.monotonic() >= end:
                    self._refused += 1
                    raise
                time.sleep(BETWEEN)

    def _read(self, command: str, status: int, kind: str, body: bytes) -> Any:
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            raise ApiError(
                command,
                f"{self.url} answers with status {status} and {kind}: that is not mod_http_api",
                f"name its path in ejabberd.api, or serve it there:\n\n{LISTENER}",
                status=status,
            ) from None
        if status == httpx.codes.OK:
            return said
        text = said.get("message", "") if isinstance(said, dict) else said
        text = " ".join(str(text).split())[:MAX_SAID]
        raise ApiError(
            command,
            f"ejabberd says: {text or f'status {status}'}",
            _advice(command, status, is_named=self.settings.service_auth is not None),
            status=status,
            # An error of its own may come after it has done a part.
            is_undone=status < 500,
            is_refused=True,
        )

    def close(self) -> None:
        self._http.close()


@contextmanager
def understood(command: str) -> Iterator[None]:
    """Around what reads an answer: one of a shape that nobody knows is an ApiError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"ejabberd's answer is of a shape that is not known here ({type(error).__name__})"
        raise ApiError(command, said) from None


_ABOUT_FORM = re.compile(
    "missing argument|unknown argument|duplicate argument|is not in format|Missing command name"
)


def _is_about_form(error: ApiError) -> bool:
    return error.status == httpx.codes.BAD_REQUEST and bool(_ABOUT_FORM.search(error.said))


def _without_address(error: Exception) -> str:
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


def _if_unreachable(error: Exception) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "name the certificate's authority in [ejabberd.tls] ca_file"
    return f"if ejabberd runs, serve the API there:\n\n{LISTENER}"


def _advice(command: str, status: int, *, is_named: bool) -> str:
    """The likely cause of a refusal, with the lines for ejabberd.yml."""
    if status == httpx.codes.UNAUTHORIZED:
        return "ejabberd does not take the account or token of [ejabberd.service_auth]"
    if status == httpx.codes.FORBIDDEN:
        who = "the account" if is_named else "a caller without an account"
        return (
            f"{who} may not call this; in ejabberd.yml, for the account that may:\n\n{PERMISSION}"
        )
    if status == httpx.codes.NOT_FOUND:
        module = next(
            (name for name, words in MODULES.items() if any(word in command for word in words)), ""
        )
        if module:
            return f"the command is {module}'s; in ejabberd.yml:\n\nmodules:\n  {module}: {{}}"
    return ""
