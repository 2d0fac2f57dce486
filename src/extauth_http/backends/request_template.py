"""How one request is written: its tables in the configuration, and the compiled request.

Every value is encoded for its place, so that nothing that a user types can leave it:

========  ====================================================================
path      percent-encoded; a value never becomes a second path segment
query     ``application/x-www-form-urlencoded``, one pair for each key
form      the same, in the body
json      a JSON string; numbers, booleans, tables and arrays are sent as they are
headers   as it is; a value that a header cannot hold is refused
========  ====================================================================
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from extauth_http.backends.placeholders import USER_NAMES, Template, Values
from extauth_http.backends.request_tables import RequestTable
from extauth_http.config.endpoint import Endpoint
from extauth_http.config.section import SecretFile
from extauth_http.http.client import HttpClient
from extauth_http.http.response import Response

_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_PATH = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_STEPS = re.compile(r"[/\\]")


class UnsafeValueError(ValueError):
    """A value that its place cannot hold: the request must not be sent."""


class PreparedRequest(NamedTuple):
    """One request for one command. ``path`` is None if the request goes to the URL itself."""

    method: str
    path: str | None
    headers: Sequence[tuple[str, str]]
    query: Mapping[str, str] | None
    form: dict[str, str] | None
    json: Any

    def endpoint(self, url: Endpoint) -> Endpoint:
        """Where the request goes, if ``url`` is the base."""
        return url if self.path is None else url.below(self.path)


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A compiled request."""

    method: str
    path: Template | None
    headers: tuple[tuple[str, Template], ...]
    query: tuple[tuple[str, Template], ...] | None
    form: tuple[tuple[str, Template], ...] | None
    json: Callable[[Values], Any] | None
    names: frozenset[str]
    """Every placeholder that the request contains."""

    @classmethod
    def compile(
        cls,
        table: RequestTable,
        known: Sequence[str],
        *,
        headers: Mapping[str, str | SecretFile],
        default_path: str,
        default_json: Mapping[str, str] | None,
        answer: bool = False,
    ) -> "RequestTemplate":
        """``headers`` are those of the backend; the table's own replace them by name.

        ``default_path`` and ``default_json`` are used for what the table does not set. Raises
        ValueError that names the key.
        """
        compiler = _Compiler(tuple(known), answer)
        own = {name.lower() for name in table.headers or {}}
        inherited = {name: text for name, text in headers.items() if name.lower() not in own}
        has_place = (table.query, table.form, table.json_) != (None, None, None)
        json: Any = table.json_
        if not has_place and default_json is not None and table.method != "GET":
            json = dict(default_json)
        path = default_path if table.path is None else table.path
        return cls(
            method=table.method,
            path=compiler.path(path) if path else None,
            headers=compiler.headers({**inherited, **(table.headers or {})}),
            query=compiler.pairs("query", table.query) if table.query else None,
            form=None if table.form is None else compiler.pairs("form", table.form),
            json=None if json is None else compiler.json(json),
            names=frozenset(compiler.names),
        )

    @property
    def identifies_user(self) -> bool:
        """Whether the request says which user it is about."""
        return bool(USER_NAMES & self.names)

    def prepare(self, values: Values) -> PreparedRequest:
        """The request for some values. Raises UnsafeValueError for a value that does not fit."""
        if "basic" in self.names:
            values = {**values, "basic": _basic(values)}
        path, headers, query, form, json = self.path, self.headers, self.query, self.form, self.json
        return PreparedRequest(
            self.method,
            _safe_path(path, values) if path else None,
            [(name, _safe_header(template, values)) for name, template in headers]
            if headers
            else (),
            {name: template.render(values) for name, template in query} if query else None,
            None if form is None else {name: template.render(values) for name, template in form},
            json(values) if json else None,
        )


def send(http: HttpClient, endpoint: Endpoint, request: PreparedRequest) -> Response:
    """Sends a request. Raises UndecidedError if there is no whole response in time."""
    return http.request(
        request.method,
        endpoint,
        json=request.json,
        data=request.form,
        params=request.query,
        headers=request.headers,
    )


class _Compiler:
    """Compiles the parts of one request and collects the placeholders that they contain."""

    def __init__(self, known: tuple[str, ...], answer: bool) -> None:
        self._known = known
        self._answer = answer
        self.names: set[str] = set()

    def text(self, key: str, text: str) -> Template:
        # Elsewhere, nothing would read it.
        is_header = key.startswith("headers.")
        known = self._known if is_header else tuple(n for n in self._known if n != "basic")
        try:
            template = Template.parse(text, known, answer=self._answer)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
        self.names.update(template.names)
        return template

    def path(self, text: str) -> Template:
        if "://" in text:
            raise ValueError("path: expected a path below url, such as login, not a whole URL")
        template = self.text("path", text)
        if not all(_PATH.fullmatch(literal) for literal in template.literals):
            raise ValueError(
                "path: expected a percent-encoded path without query, such as login/{user}"
            )
        if {".", ".."} & {segment for each in template.literals for segment in each.split("/")}:
            raise ValueError("path: expected no segment . or ..")
        if {"password", "certificate"} & set(template.names):
            raise ValueError("path: a credential in a path is written to the logs of web servers")
        return template

    def pairs(self, key: str, table: Mapping[str, str]) -> tuple[tuple[str, Template], ...]:
        return tuple((name, self.text(f"{key}.{name}", text)) for name, text in table.items())

    def headers(self, table: Mapping[str, str | SecretFile]) -> tuple[tuple[str, Template], ...]:
        return tuple(
            (
                name,
                Template((value.content.get_secret_value(),), ())
                if isinstance(value, SecretFile)
                else self.text(f"headers.{name}", value),
            )
            for name, value in table.items()
        )

    def json(self, value: Any, key: str = "json") -> Callable[[Values], Any]:
        if isinstance(value, str):
            template = self.text(key, value)
            if template.literals == ("", ""):
                return itemgetter(template.names[0])
            return _constant(template.literals[0]) if template.is_constant else template.render
        if isinstance(value, dict):
            members = [(name, self.json(each, f"{key}.{name}")) for name, each in value.items()]
            return lambda values: {name: each(values) for name, each in members}
        if isinstance(value, list):
            items = [self.json(each, f"{key}.{at}") for at, each in enumerate(value)]
            return lambda values: [each(values) for each in items]
        if value is None or isinstance(value, bool | int | float):
            return _constant(value)
        raise ValueError(f"{key}: expected a text, a number, true, false, a table or an array")


def _constant(value: Any) -> Callable[[Values], Any]:
    return lambda _: value


def _basic(values: Values) -> str:
    if ":" in values["user"]:
        # RFC 7617 section 2: the service would read the part after it as the password.
        raise UnsafeValueError("a user name with a colon cannot be sent")
    return b64encode(f"{values['user']}:{values['password']}".encode()).decode()


def _safe_path(template: Template, values: Values) -> str:
    if template.is_constant:
        return template.literals[0]
    for name in template.names:
        # Some servers decode %2F and %5C before they look for "." and "..".
        if {".", ".."} & set(_STEPS.split(values[name])):
            raise UnsafeValueError(f"{name} cannot be part of a path")
    path = template.render(values, _percent_encode)
    if {".", ".."} & {unquote(segment) for segment in path.split("/")}:
        raise UnsafeValueError("the path would contain . or .. as a segment")
    return path


def _percent_encode(value: str) -> str:
    return quote(value, safe="")


def _safe_header(template: Template, values: Values) -> str:
    value = template.render(values)
    if template.names and (not _HEADER_VALUE.fullmatch(value) or value != value.strip(" \t")):
        raise UnsafeValueError("a value cannot be part of a header")
    return value


def header_names(tables: Iterable[Mapping[str, object] | None]) -> Iterator[str]:
    """The names of headers in some tables, in lower case."""
    for table in tables:
        yield from (name.lower() for name in table or {})
