"""The ``rest`` kind: one request for each operation, and rules for its response.

Without further keys an operation is ``POST {url}/{operation}`` with the JSON object
``{"user", "host", "password"}``, and a response is a yes or a no as ``default_rules`` lists it.
Each part can be configured, so that a service that exists does not have to change.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from extauth_http.backends.base import Backend
from extauth_http.backends.operation_rules import RuleTable, default_rules, rules_of
from extauth_http.backends.placeholders import (
    Template,
    Values,
    credential_name,
    names_for,
    values_of,
)
from extauth_http.backends.request_after_login import FollowUp, FollowUpTable
from extauth_http.backends.request_tables import HeaderTable, RequestTable
from extauth_http.backends.request_template import (
    RequestTemplate,
    UnsafeValueError,
    header_names,
    send,
)
from extauth_http.backends.response_rules import ResponseView, RuleSet
from extauth_http.backends.rule_explanation import explain
from extauth_http.backends.token_owner import OwnerTable, compare_owner
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Endpoint
from extauth_http.config.section import Section
from extauth_http.config.service_auth import header_names as auth_header_names
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict


class OperationTable(RequestTable, RuleTable):
    """One operation: its request, the rules for its response, and a request that follows."""

    enabled: bool = True
    """``false``: the answer is DENY, without a request."""
    after: FollowUpTable | None = None

    @model_validator(mode="after")
    def _check_nothing_is_ignored(self) -> Self:
        if not self.enabled and self.model_fields_set != {"enabled"}:
            raise ValueError("expected nothing else beside enabled = false")
        return self


class Operations(Section):
    auth: OperationTable = OperationTable()
    isuser: OperationTable = OperationTable()
    setpass: OperationTable = OperationTable()
    tryregister: OperationTable = OperationTable()
    removeuser: OperationTable = OperationTable()
    removeuser3: OperationTable = OperationTable()
    certauth: OperationTable = OperationTable()


def _base_url(url: object) -> object:
    if isinstance(url, Endpoint | Template):
        return url
    if not isinstance(url, str):
        raise ValueError("expected a URL")
    if "{" not in url:
        return Endpoint.parse(url, unix=True)
    if not url.startswith("https://"):
        raise ValueError("expected https:// in a URL with {host}")
    template = Template.parse(url, ("host",))
    Endpoint.parse(template.render({"host": "example.org"}))
    return template


BaseUrl = Annotated[
    Endpoint | Template, BeforeValidator(_base_url), PlainSerializer(str, return_type=str)
]
"""A URL in which ``{host}`` is the virtual host of the command."""


class RestSettings(BackendSettings, RuleTable):
    """``url`` is the base of all requests; ``headers`` are sent with each of them."""

    url: BaseUrl
    standby: tuple[BaseUrl, ...] = ()  # type: ignore[assignment] # wider than in the base class
    headers: HeaderTable = Field(default_factory=dict, repr=False)
    operations: Operations = Operations()

    @model_validator(mode="after")
    def _can_be_compiled(self) -> Self:
        _compile(self)
        return self

    def warnings(self) -> list[str]:
        """As in the base class, and each credential in a query."""
        return super().warnings() + [
            f"operations.{operation.value}.query: a credential in a URL is written to the logs of "
            "web servers; use json or form"
            for operation, compiled in _compile(self).items()
            if {"password", "certificate"}
            & {n for _, text in compiled.request.query or () for n in text.names}
        ]


@dataclass(frozen=True, slots=True)
class _CompiledOperation:
    request: RequestTemplate
    rules: RuleSet
    owner: OwnerTable | None
    follow_up: FollowUp | None
    endpoint: Endpoint | None
    """Where the request goes, if no placeholder changes it."""


class Rest(Backend):
    """Sends the configured request and applies the configured rules to its response."""

    Settings = RestSettings

    def __init__(self, settings: RestSettings) -> None:
        self._url = settings.url
        self._standby = settings.standby
        self._operations = _compile(settings)

    def _request(self, command: Command, http: HttpClient) -> Answer:
        operation = self._operations.get(command.operation)
        if operation is None:
            return Answer(Verdict.DENY, "switched_off", "this operation is switched off")
        values = values_of(command, http.request_id)
        try:
            request = operation.request.prepare(values)
        except UnsafeValueError as error:
            return Answer(Verdict.DENY, "unsafe_name", str(error))
        endpoint = operation.endpoint or request.endpoint(self._base(values))
        response = ResponseView(send(http, endpoint, request))
        if http.explains:
            http.notes += tuple(explain(operation.rules, response))
        answer = decide(operation.rules, response)
        if answer.verdict is not Verdict.ALLOW:
            return answer
        if operation.owner and (denied := compare_owner(operation.owner, response, values)):
            return denied
        if operation.follow_up:
            failed = operation.follow_up.run(http, self._base(values), values, response)
            return Answer(Verdict.ALLOW, answer.reason, failed)
        return answer

    auth = isuser = setpass = tryregister = removeuser = removeuser3 = certauth = _request

    def _base(self, values: Values) -> Endpoint:
        url = self._url
        if isinstance(url, Endpoint):
            return url
        standby = tuple(_rendered(each, values) for each in self._standby)
        return replace(_rendered(url, values), standby=standby)


def _rendered(url: Endpoint | Template, values: Values) -> Endpoint:
    return url if isinstance(url, Endpoint) else Endpoint.parse(url.render(values))


def decide(rules: RuleSet, response: ResponseView) -> Answer:
    """The answer that the rules give. Raises UndecidedError if no rule holds, or ``refused``."""
    found = rules.first(response)
    if found is None:
        if response.status in (200, 201):
            raise UndecidedError("not_an_answer", "no rule of allow or deny holds for the response")
        raise response.undecided()
    name, rule = found
    if name == "refused":
        raise UndecidedError(
            "service_auth_refused",
            f"status {response.status}: a rule of refused holds, so the service refuses this "
            "program, not the user; check service_auth",
        )
    if name == "allow":
        return _ALLOWED
    only_status = rule.field is None and rule.header is None and rule.text is None
    return Answer(Verdict.DENY, f"http_{response.status}" if only_status else "denied")


_ALLOWED = Answer(Verdict.ALLOW, "allowed")


def _compile(settings: RestSettings) -> dict[Operation, _CompiledOperation]:
    """The enabled operations. Raises ValueError that names the key."""
    compiled = {}
    for operation in Operation:
        table: OperationTable = getattr(settings.operations, operation.value)
        try:
            if table.enabled:
                compiled[operation] = _compile_operation(settings, operation, table)
        except ValueError as error:
            raise ValueError(f"operations.{operation.value}: {error}") from None
    return compiled


def _compile_operation(
    settings: RestSettings, operation: Operation, table: OperationTable
) -> _CompiledOperation:
    request = RequestTemplate.compile(
        table,
        names_for(operation),
        headers=settings.headers,
        default_path=operation.value,
        default_json=_default_json(operation),
    )
    _check_headers(settings, table)
    owner = table.owner or settings.owner
    may_have_owner = operation in (Operation.AUTH, Operation.CERTAUTH)
    if not request.identifies_user and not (owner and may_have_owner):
        raise ValueError(
            "the request does not say which user it is about; add {user} or {jid} to it"
            + (", or owner, where the response names the user" * may_have_owner)
        )
    credential = credential_name(operation)
    if credential and not {credential, "basic"} & request.names:
        or_basic = " or {basic}" if credential == "password" else ""
        raise ValueError(
            f"the request does not contain the {credential}, so any {credential} would do; add "
            f"{{{credential}}}{or_basic} to it"
        )
    follow_up = FollowUp(table.after, operation, settings.headers) if table.after else None
    endpoint = None
    if isinstance(settings.url, Endpoint) and (request.path is None or request.path.is_constant):
        endpoint = settings.url.below(request.path.literals[0]) if request.path else settings.url
    defaults = default_rules(operation, has_service_auth=settings.service_auth is not None)
    rules = rules_of(operation, (table, settings), defaults)
    return _CompiledOperation(request, rules, owner, follow_up, endpoint)


def _default_json(operation: Operation) -> dict[str, str]:
    names = ("user", "host", credential_name(operation))
    return {name: f"{{{name}}}" for name in names if name}


def _check_headers(settings: RestSettings, table: OperationTable) -> None:
    own = set(header_names([settings.headers, table.headers]))
    if both := own & {name.lower() for name in auth_header_names(settings.service_auth)}:
        raise ValueError(f"headers.{', '.join(sorted(both))}: service_auth sends this header")
