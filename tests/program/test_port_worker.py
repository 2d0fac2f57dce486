"""A port whose worker thread ends unexpectedly: the next one continues and no reply is lost."""

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from extauth_http.program import input_reader, pending_packet, port
from extauth_http.program.outcome import Outcome
from extauth_http.program.port import CHECK_SECONDS
from extauth_http.protocol.packet_parser import PacketReader
from extauth_http.protocol.verdict import Answer, Verdict
from tests.program.running_port import FAILURE, FALSE, TRUE, FakeDecider, RunningPort


class Fault:
    """Raises ``error`` in the first ``times`` calls of what it wraps."""

    def __init__(self, error: type[BaseException], times: int = 1) -> None:
        self.left = times
        self._error = error

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **keywords: Any) -> Any:
            if self.left:
                self.left -= 1
                raise self._error
            return call(*arguments, **keywords)

        return wrapped


Inject = Callable[[pytest.MonkeyPatch, RunningPort, Fault], None]


def attribute_of_port(name: str) -> Inject:
    def inject(patch: pytest.MonkeyPatch, running: RunningPort, fault: Fault) -> None:
        patch.setattr(running.port, name, fault.before(getattr(running.port, name)))

    return inject


def method(owner: object, name: str) -> Inject:
    def inject(patch: pytest.MonkeyPatch, running: RunningPort, fault: Fault) -> None:
        patch.setattr(owner, name, fault.before(getattr(owner, name)))

    return inject


Packet = pending_packet.PendingPacket

UNHARMED = [TRUE, FALSE]
UNDECIDED = [FAILURE, FALSE]

STEPS: dict[str, tuple[Inject, list[bytes]]] = {
    "the read from the input": (method(input_reader.PacketSource, "_read"), UNHARMED),
    "the feed of the reader": (method(PacketReader, "feed"), UNHARMED),
    "the search for the next packet": (method(PacketReader, "next_packet"), UNHARMED),
    "the new pending packet": (method(port, "PendingPacket"), UNHARMED),
    "the consumption of the packet": (method(input_reader.PacketSource, "consume"), UNDECIDED),
    "the call of begin": (attribute_of_port("_begin"), UNDECIDED),
    "the choice of the decider": (attribute_of_port("_acquire"), UNDECIDED),
    "the new deadline": (attribute_of_port("_set_deadline"), UNDECIDED),
    "the parser": (method(port, "parse"), UNDECIDED),
    "the kind of the backend": (method(FakeDecider, "kind"), UNDECIDED),
    "the start of the backend call": (method(Packet, "start_deciding"), UNDECIDED),
    "the backend call": (method(FakeDecider, "decide"), UNDECIDED),
    "the claim": (method(Packet, "claim"), UNDECIDED),
    "the outcome": (method(Packet, "make_outcome"), UNDECIDED),
    "the encoder": (attribute_of_port("_encode"), UNDECIDED),
    "the write": (attribute_of_port("_write"), UNHARMED),
    "the end of the backend's use": (method(Packet, "release"), UNHARMED),
    "the log": (attribute_of_port("_record"), UNHARMED),
    "the end of the packet": (method(Packet, "finish"), UNHARMED),
}


def keep_alive(running: RunningPort, count: int) -> list[bytes]:
    """Does the work of the watchdog until there are so many replies, and returns them.

    It calls ``expire`` only after the port has woken it.
    """
    replies: list[bytes] = []
    while len(replies) < count:
        if running.has_answer():
            replies.append(os.read(running.output, 4))
        elif running.wakes.wait(0.01):
            running.wakes.clear()
            running.port.expire(time.monotonic())
    return replies


@pytest.mark.parametrize("error", [MemoryError, SystemExit, RuntimeError])
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_ends_in_any_step_costs_no_reply(
    monkeypatch: pytest.MonkeyPatch, step: str, error: type[BaseException]
) -> None:
    inject, replies = STEPS[step]
    running = RunningPort()
    with monkeypatch.context() as patched:
        fault = Fault(error)
        inject(patched, running, fault)
        running.ask("allow", "deny")
        assert keep_alive(running, 2) == replies
        running.ask("allow")
        assert keep_alive(running, 1) == [TRUE]
        assert not fault.left
    assert running.run(b"", []) == b""
    if replies == UNDECIDED:
        internal_error = Answer(Verdict.UNDECIDED, "internal_error", error.__name__)
        assert running.outcomes[0].decision.answer == internal_error


def test_a_worker_that_ends_at_the_end_of_input_ends_the_port_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = RunningPort()
    os.write(running.input, b"\0")
    fault = Fault(MemoryError)
    attribute_of_port("_warn_of_leftover")(monkeypatch, running, fault)
    os.close(running.input)
    while not running.port.has_ended:
        assert running.wakes.wait(10)
        running.wakes.clear()
        running.port.expire(time.monotonic())
    assert not fault.left
    assert running.warnings == ["input_cut_off"]
    running.close()


def test_a_worker_that_ends_again_and_again_is_restarted_after_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = RunningPort()
    fault = Fault(MemoryError, times=3)
    monkeypatch.setattr(PacketReader, "feed", fault.before(PacketReader.feed))
    running.ask("allow")
    now = 1000.0
    for left in (2, 1, 0):
        ended = running.port._worker
        assert ended is not None
        ended.join(10)
        assert fault.left == left
        running.port.expire(now)
        if left < 2:  # the first restart needs no pause
            assert running.port._worker is ended
            assert running.port.next_check(now) == now + CHECK_SECONDS
            now += CHECK_SECONDS
            running.port.expire(now)
        assert running.port._worker is not ended
    assert running.answer() == TRUE
    running.run(b"", [])


def test_a_reply_that_is_partly_written_is_continued_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = RunningPort()
    written: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        if descriptor != running.sink:
            return real_write(descriptor, data)
        written.append(data)
        if len(written) == 2:
            raise MemoryError
        return real_write(descriptor, data[:1])

    encoded: list[Outcome] = []

    def encode(outcome: Outcome) -> bytes:
        encoded.append(outcome)
        return TRUE

    real_write = os.write
    monkeypatch.setattr(running.port, "_encode", encode)
    monkeypatch.setattr(os, "write", write)
    running.ask("allow")
    received = b""
    while len(received) < 4:
        received += b"".join(keep_alive(running, 1))
    assert received == TRUE
    assert written == [TRUE, TRUE[1:], TRUE[1:], TRUE[2:], TRUE[3:]]
    assert len(encoded) == 1
    monkeypatch.undo()
    assert running.run(b"", []) == b""
    assert [each.decision.answer.reason for each in running.outcomes] == ["allow"]
