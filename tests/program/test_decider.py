"""The choice of the backend, and the decision for any result of it."""

import asyncio
import time
from collections.abc import Callable

import pytest

from extauth_http.backends.base import Backend
from extauth_http.config.backend import BackendSettings
from extauth_http.http.client import HttpClient
from extauth_http.program import decider as decide
from extauth_http.program.decider import Decider, UnconfiguredDecider
from extauth_http.program.outcome import Decision
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.replies import Dialect
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict
from tests.settings import settings_of

Result = Callable[[], object]


class Odd(Backend):
    """A backend whose result the test chooses. ``called`` is the name of the called method."""

    result: Result = staticmethod(lambda: Verdict.ALLOW)
    called = ""

    def _do(self, name: str) -> Verdict:
        Odd.called = name
        return Odd.result()  # type: ignore[return-value]

    def auth(self, command: Command, http: HttpClient) -> Verdict:
        return self._do("auth")

    def isuser(self, command: Command, http: HttpClient) -> Verdict:
        return self._do("isuser")

    def setpass(self, command: Command, http: HttpClient) -> Verdict:
        return self._do("setpass")

    def tryregister(self, command: Command, http: HttpClient) -> Verdict:
        return self._do("tryregister")

    def removeuser(self, command: Command, http: HttpClient) -> Verdict:
        return self._do("removeuser")

    def removeuser3(self, command: Command, http: HttpClient) -> Verdict:
        return self._do("removeuser3")

    def certauth(self, command: Command, http: HttpClient) -> Verdict:
        return self._do("certauth")


@pytest.fixture(autouse=True)
def odd_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "backend_class", lambda _: Odd)
    monkeypatch.setattr(Odd, "called", "")


def decided(
    operation: Operation = Operation.AUTH, host: str = "h", password: str = "hunter2"
) -> Decision:
    settings = settings_of(backend=BackendSettings(kind="odd"))
    command = Command(operation, "alice", host, password if operation.has_credential else "")
    return Decider(settings).decide(command, time.monotonic() + 5, "a-request")


@pytest.mark.parametrize("operation", Operation)
def test_each_operation_calls_its_method(operation: Operation) -> None:
    assert decided(operation).answer == Answer(Verdict.ALLOW, "allowed")
    assert Odd.called == operation.value


@pytest.mark.parametrize("verdict", Verdict)
def test_a_plain_verdict_gets_a_reason(monkeypatch: pytest.MonkeyPatch, verdict: Verdict) -> None:
    monkeypatch.setattr(Odd, "result", staticmethod(lambda: verdict))
    reasons = {"allow": "allowed", "deny": "denied", "undecided": "undecided"}
    assert decided() == Decision(Answer(verdict, reasons[verdict.value]), "odd", None)


def test_an_answer_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Answer(Verdict.DENY, "too_young", "come back next year")
    monkeypatch.setattr(Odd, "result", staticmethod(lambda: answer))
    assert decided().answer is answer


@pytest.mark.parametrize("said", [None, True, 1, "allow", (Verdict.ALLOW, "x"), Verdict])
def test_a_result_of_another_type_is_undecided(
    monkeypatch: pytest.MonkeyPatch, said: object
) -> None:
    monkeypatch.setattr(Odd, "result", staticmethod(lambda: said))
    detail = f"the backend returned {type(said).__name__}"
    assert decided().answer == Answer(Verdict.UNDECIDED, "not_a_verdict", detail)


@pytest.mark.parametrize(
    "said",
    [
        Answer("allow", "sure"),  # type: ignore[arg-type]
        Answer(True, "sure"),  # type: ignore[arg-type]
        Answer(Verdict.ALLOW, None),  # type: ignore[arg-type]
        Answer(Verdict.ALLOW, "sure", b"detail"),  # type: ignore[arg-type]
    ],
)
def test_an_answer_with_fields_of_other_types_is_undecided(
    monkeypatch: pytest.MonkeyPatch, said: object
) -> None:
    monkeypatch.setattr(Odd, "result", staticmethod(lambda: said))
    detail = "the backend returned Answer"
    assert decided().answer == Answer(Verdict.UNDECIDED, "not_a_verdict", detail)


def raising(error: BaseException) -> object:
    raise error


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (UndecidedError("no_idea"), "no_idea", ""),
        (
            UndecidedError("no_idea", "locked"),
            "no_idea",
            "locked",
        ),
        (ValueError("hunter2"), "backend_error", f"ValueError at {__file__}:"),
        (RecursionError(), "backend_error", f"RecursionError at {__file__}:"),
        (KeyboardInterrupt("hunter2"), "backend_error", f"KeyboardInterrupt at {__file__}:"),
        (SystemExit("hunter2"), "backend_exit", "the backend called sys.exit"),
        (UndecidedError(None), "not_a_verdict", "the backend returned Answer"),  # type: ignore[arg-type]
    ],
)
def test_an_exception_is_undecided_and_its_text_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, reason: str, detail: str
) -> None:
    monkeypatch.setattr(Odd, "result", staticmethod(lambda: raising(error)))
    answer = decided().answer
    assert (answer.verdict, answer.reason) == (Verdict.UNDECIDED, reason)
    assert answer.detail.startswith(detail)
    assert bool(answer.detail) == bool(detail)
    assert "hunter2" not in repr(answer)


def test_an_exception_that_ends_a_thread_is_not_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """``ThreadInterruptedError`` is such an exception."""
    monkeypatch.setattr(Odd, "result", staticmethod(lambda: raising(asyncio.CancelledError())))
    with pytest.raises(asyncio.CancelledError):
        decided()


@pytest.mark.parametrize("operation", [each for each in Operation if each.has_credential])
def test_an_empty_credential_is_refused_without_a_backend_call(operation: Operation) -> None:
    assert decided(operation, password="") == Decision(
        Answer(Verdict.DENY, "empty_password"), "odd"
    )
    assert Odd.called == ""


def test_a_host_uses_its_own_backend_or_the_default() -> None:
    hosts = {"own.example": {"backend": BackendSettings(kind="own")}}
    both = Decider(settings_of(backend=BackendSettings(kind="default"), hosts=hosts, deadline=3))
    assert both.kind("own.example") == "own"
    assert both.kind("other.example") == "default"
    assert (both.deadline, both.dialect) == (3, Dialect.EJABBERD)
    assert list(both.hosts) == ["own.example"]
    alone = Decider(settings_of(hosts=hosts))
    assert alone.kind("own.example") == "own"
    assert alone.kind("other.example") is None
    for decider, host, kind in ((both, "own.example", "own"), (both, "x", "default")):
        command = Command(Operation.ISUSER, "alice", host)
        assert decider.decide(command, time.monotonic() + 5, "a-request").backend == kind
    unknown = alone.decide(Command(Operation.ISUSER, "alice", "x"), 0.0, "a-request")
    assert unknown == Decision(
        Answer(Verdict.DENY, "unknown_host", "no [backend] and no [hosts] entry for it")
    )
    both.close()
    alone.close()


def test_an_escaped_name_is_unescaped_for_the_backend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def isuser(_: Odd, command: Command, __: HttpClient) -> Verdict:
        asked.append(command.user)
        return Verdict.ALLOW

    monkeypatch.setattr(Odd, "isuser", isuser)
    command = Command(Operation.ISUSER, r"alice\40corp.example", "h")
    for unescapes in (True, False):
        backend = BackendSettings(kind="odd", jid_unescape=unescapes)
        decider = Decider(settings_of(backend=backend))
        decider.decide(command, time.monotonic() + 5, "a-request")
    assert asked == ["alice@corp.example", r"alice\40corp.example"]


@pytest.mark.parametrize("user", [r"\20alice", r"alice\20", r"\20"])
def test_a_name_that_begins_or_ends_with_an_escaped_space_is_nobodys(user: str) -> None:
    decider = Decider(settings_of(backend=BackendSettings(kind="odd", jid_unescape=True)))
    command = Command(Operation.ISUSER, user, "h")
    decision = decider.decide(command, time.monotonic() + 5, "a-request")
    assert (decision.answer.verdict, decision.answer.reason) == (Verdict.DENY, "unsafe_name")


def test_without_a_configuration_every_command_is_undecided() -> None:
    nobody = UnconfiguredDecider(Dialect.BOOLEAN)
    decision = nobody.decide(Command(Operation.AUTH, "alice", "h", "hunter2"), 0.0, "a-request")
    assert decision == Decision(
        Answer(Verdict.UNDECIDED, "config", "the configuration cannot be used")
    )
    assert nobody.dialect is Dialect.BOOLEAN
    assert nobody.kind("h") is None
    assert nobody.deadline == 8.0
    nobody.close()
