"""One command's HTTP: within its deadline, verified, bounded, never redirected, never repeated.

httpx's URLs are used, its client is not. What matters here lies beneath a client: a deadline for
everything together instead of a timeout for each step, what was sent of a request that got lost,
and which connection it was on. ``line.py`` is that connection.
"""

import contextlib
import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from extauth_http.command import Command
from extauth_http.endpoint import Endpoint, Origin
from extauth_http.line import Headers, Line, Unanswered
from extauth_http.proxy import Proxy, environment_proxy, tunnel
from extauth_http.request import body_of, written
from extauth_http.verdict import Undecided

if TYPE_CHECKING:
    from extauth_http.backends import BackendSettings

MAX_KIND = 100
"""Letters of a content type that get into the log: a service must not be able to fill it."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the service said: a status, headers with lower-case names, and a whole body. What it
    said may be a token, so only the status is in ``repr``."""

    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON. Raises Undecided (``not_an_answer``) where it is none, or is JSON that
        two readers could read differently (a name twice in one object, NaN)."""
        try:
            return _JSON.decode(self.body.decode())
        except (ValueError, RecursionError):
            kind = self.header(b"content-type") or "no content type"
            if len(kind) > MAX_KIND or not kind.isprintable():
                kind = "an odd content type"
            raise Undecided(
                "not_an_answer", f"status {self.status}, body is not JSON ({kind})"
            ) from None

    def header(self, name: bytes) -> str:
        """A header's value, or an empty string; ``name`` in lower case. Values that differ are all
        in it, with commas between (RFC 9110 section 5.3): none of them counts alone. The text is
        UTF-8, or else ISO 8859-1 as HTTP once had it."""
        value = b", ".join(dict.fromkeys(value for key, value in self.headers if key == name))
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")

    def undecided(self) -> Undecided:
        """What to raise for a status that is neither a yes nor a no."""
        detail = f"the service answered with status {self.status}"
        if 300 <= self.status < 400:
            detail += "; redirects are not followed"
        return Undecided(f"http_{self.status}", detail)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_unambiguous, parse_constant=_no_constant)


class Exchange:
    """The HTTP of one command: what a backend asks with.

    ``status`` is that of the last answer, for the log. Not shared between threads.
    """

    def __init__(self, http: "Http", command: Command, due: float, request_id: str) -> None:
        self._http = http
        self._may_repeat = not command.operation.is_write
        self.due = due
        self.request_id = request_id
        self.status: int | None = None

    def send(
        self,
        method: str,
        url: str | Endpoint,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Iterable[tuple[str, str]] = (),
        service_auth: bool = True,
    ) -> HttpAnswer:
        """One request and its whole answer.

        The body is ``json`` or ``form`` or none. ``service_auth`` says whether the program names
        itself to the service as configured. Raises Undecided, with a stable reason, for everything
        that is not an HTTP answer before the deadline.
        """
        endpoint = Endpoint.parse(url) if isinstance(url, str) else url
        body, content_type = body_of(json, form)
        lines = [
            (b"Host", endpoint.host_header),
            *self._http.standing_headers,
            (b"X-Request-ID", self.request_id.encode()),
        ]
        if service_auth:
            lines += self._http.service_headers
        if content_type:
            lines.append((b"Content-Type", content_type))
        if body or method not in ("GET", "HEAD", "DELETE"):
            lines.append((b"Content-Length", str(len(body)).encode()))
        lines += [(name.encode(), value.encode()) for name, value in headers]
        answer = self._http.ask(
            endpoint, method.encode(), lines, body, due=self.due, may_repeat=self._may_repeat
        )
        self.status = answer.status
        return answer


class Http:
    """The connections to one backend's service. Connections are kept, answers never are.

    Safe to use from several threads: each request has a connection to itself.
    """

    def __init__(self, settings: "BackendSettings") -> None:
        """Raises ValueError where a certificate or key file is not usable."""
        self.standing_headers: Headers = (
            (b"User-Agent", b"extauth-http"),
            (b"Accept", b"application/json"),
            # An answer is small; one that arrives packed is a bomb or a mistake.
            (b"Accept-Encoding", b"identity"),
            (b"Cache-Control", b"no-store"),
        )
        self.service_headers: Headers = (
            settings.service_auth.headers() if settings.service_auth else ()
        )
        self._tls_settings = settings.tls
        # Loading the system's certificates takes a while; plain http need not pay for it.
        self._tls = settings.tls.context() if settings.tls.is_set else None
        self._trust_env = settings.trust_env
        self._idle: dict[Origin, deque[Line]] = {}

    def exchange(self, command: Command, due: float, request_id: str) -> Exchange:
        """The HTTP of one command; ``due`` is the time of ``time.monotonic()`` it has to end at."""
        return Exchange(self, command, due, request_id)

    def close(self) -> None:
        """Closes the connections that are not in use."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def ask(
        self,
        endpoint: Endpoint,
        method: bytes,
        headers: Headers,
        body: bytes,
        *,
        due: float,
        may_repeat: bool,
    ) -> HttpAnswer:
        """One request and its answer; once more on a fresh connection where a kept one was dead.

        A write never goes out on a kept connection: it could be lost half way, and nobody could
        say whether it was done.
        """
        proxy = environment_proxy(endpoint.origin) if self._trust_env else None
        if proxy and not endpoint.is_encrypted:
            # RFC 9112 section 3.2.2: a proxy is told the whole URL.
            request = written(
                method,
                b"http://" + endpoint.host_header + endpoint.target,
                [*headers, *proxy.headers],
                body,
            )
        else:
            request = written(method, endpoint.target, headers, body)
        head_only = method == b"HEAD"
        line = self._kept(endpoint.origin) if may_repeat else None
        if line is not None:
            line.due = due
            try:
                return self._ask(line, endpoint.origin, request, head_only)
            except Unanswered:
                pass
        try:
            return self._ask(
                self._fresh(endpoint.origin, proxy, due), endpoint.origin, request, head_only
            )
        except Unanswered:
            raise Undecided(
                "connection_lost", "the service closed the connection without an answer"
            ) from None

    def _keep(self, origin: Origin, line: Line) -> None:
        """Keeps a connection. The last one is used first, so those of a busy hour grow old at the
        other end: each answer closes one of them."""
        idle = self._idle.setdefault(origin, deque())
        idle.append(line)
        with contextlib.suppress(IndexError):  # another thread was faster
            if idle[0].is_too_old:
                idle.popleft().close()

    def _kept(self, origin: Origin) -> Line | None:
        idle = self._idle.get(origin)
        while idle:
            try:
                line = idle.pop()
            except IndexError:  # another thread was faster
                return None
            if line.is_alive():
                return line
            line.close()
        return None

    def _fresh(self, origin: Origin, proxy: "Proxy | None", due: float) -> Line:
        line = Line(due)
        host = origin.host.decode("ascii")
        try:
            if proxy is None:
                line.connect(host, origin.port)
            else:
                line.connect(proxy.host, proxy.port)
            if origin.scheme == b"https":
                if proxy:
                    tunnel(line, origin, proxy)
                if self._tls is None:
                    self._tls = self._tls_settings.context()
                line.start_tls(self._tls, host)
        except BaseException:
            line.close()
            raise
        return line

    def _ask(self, line: Line, origin: Origin, request: bytes, head_only: bool) -> HttpAnswer:
        try:
            answer = line.ask(request, head_only=head_only)
        except BaseException:
            line.close()
            raise
        if line.may_be_kept:
            self._keep(origin, line)
        else:
            line.close()
        if any(name == b"content-encoding" for name, _ in answer.headers):
            raise Undecided("content_encoding", "the answer came compressed, unasked")
        return HttpAnswer(answer.status, answer.headers, answer.body())
