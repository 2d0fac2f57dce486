"""The ``rest`` kind: one POST an operation, with JSON, as ``docs/backends.md`` describes it.

Each operation can be told another method, path, body, field names and result field, so that a
service that exists need not change.
"""

from typing import Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from extauth_http.backends.base import Backend
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Url
from extauth_http.config.section import Section
from extauth_http.http.client import HttpClient
from extauth_http.http.response import Response
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict


class Request(Section):
    """How one operation is asked for."""

    enabled: bool = True
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    path: str | None = None
    """Below ``url``; ``{user}`` and ``{host}`` stand for one path segment each. Absent: the
    operation's name."""
    body: Literal["json", "form", "query"] = "json"
    """Where the fields go; ``query`` puts them into the URL."""
    fields: dict[Literal["user", "host", "password", "certificate"], str] = Field(
        default_factory=dict
    )
    """Field names by what they hold; an empty name leaves the field out."""
    result: str = "result"
    """The field of a JSON object that holds true or false; dots go into objects."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.method == "GET" and self.body != "query":
            raise ValueError('expected body = "query" where method = "GET"')
        if self.path is not None:
            left = self.path.replace("{user}", "").replace("{host}", "")
            if set(left) & set("{}?#") or not left.isascii() or " " in left:
                raise ValueError(
                    "path: expected a percent-encoded path, {user} and {host}, nothing else"
                )
        return self


class Requests(Section):
    auth: Request = Request()
    isuser: Request = Request()
    setpass: Request = Request()
    tryregister: Request = Request()
    removeuser: Request = Request()
    removeuser3: Request = Request()
    certauth: Request = Request()


class RestSettings(BackendSettings):
    url: Url
    operations: Requests = Requests()


class Rest(Backend):
    """``POST {url}/{operation}`` with ``{"user", "host", "password"}``, or what is configured."""

    Settings = RestSettings

    def __init__(self, settings: RestSettings) -> None:
        self._named = settings.service_auth is not None
        self._requests: dict[Operation, Request] = {
            operation: getattr(settings.operations, operation.value) for operation in Operation
        }
        self._url = settings.url
        self._endpoints = {
            operation: settings.url.below(request.path or operation.value)
            for operation, request in self._requests.items()
        }

    def _ask(self, command: Command, http: HttpClient) -> Answer:
        request = self._requests[command.operation]
        if not request.enabled:
            return Answer(Verdict.DENY, "switched_off", "this operation is switched off")
        endpoint = self._endpoints[command.operation]
        if request.path and "{" in request.path:
            if {command.user, command.host} & {".", ".."}:
                # Percent-encoded or not, servers take these for steps in the path.
                return Answer(Verdict.DENY, "unsafe_name", "the name cannot be a path segment")
            endpoint = self._url.below(
                request.path.replace("{user}", quote(command.user, safe="")).replace(
                    "{host}", quote(command.host, safe="")
                )
            )
        fields = _fields(command, request)
        if request.body == "query":
            answer = http.request(request.method, endpoint.with_query(fields))
        elif request.body == "form":
            answer = http.request(request.method, endpoint, data=fields)
        else:
            answer = http.request(request.method, endpoint, json=fields)
        return self._verdict(command.operation, answer, request.result)

    auth = isuser = setpass = tryregister = removeuser = removeuser3 = certauth = _ask

    def _verdict(self, operation: Operation, answer: Response, result: str) -> Answer:
        status = answer.status_code
        if status in (200, 201):
            return _said(answer.json(), result)
        if status == 204:
            return Answer(Verdict.ALLOW, "allowed")
        if status == 401 and self._named:
            raise UndecidedError(
                "service_auth_refused",
                "status 401: the service refuses this program, not the user; check service_auth",
            )
        if status in (401, 403) or status in _NO.get(operation, ()):
            return Answer(Verdict.DENY, f"http_{status}")
        raise answer.undecided()


_NO: dict[Operation, tuple[int, ...]] = {
    Operation.ISUSER: (404,),
    Operation.REMOVEUSER: (404,),
    Operation.REMOVEUSER3: (404,),
    Operation.SETPASS: (404, 409, 422),
    Operation.TRYREGISTER: (404, 409, 422),
}
"""Statuses that are a no to one operation and no answer to another."""


def _fields(command: Command, request: Request) -> dict[str, str]:
    held = {"user": command.user, "host": command.host}
    if command.operation.has_credential:
        what = "certificate" if command.operation is Operation.CERTAUTH else "password"
        held[what] = command.password
    names: dict[Any, str] = request.fields
    return {names.get(what, what): value for what, value in held.items() if names.get(what, what)}


def _said(found: Any, result: str) -> Answer:
    """The verdict of a JSON answer: true or false, alone or in the result field."""
    if isinstance(found, dict):
        for key in result.split("."):
            found = found.get(key) if isinstance(found, dict) else None
    if found is True:
        return Answer(Verdict.ALLOW, "allowed")
    if found is False:
        return Answer(Verdict.DENY, "denied")
    raise UndecidedError(
        "not_an_answer", f"the JSON is neither true nor false, nor is its {result!r}"
    )
