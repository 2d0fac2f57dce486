"""A port: one reply per packet, in order, for any input and any decision."""

import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extauth_http.program import pending_packet
from extauth_http.program.outcome import Decision, Outcome
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packet_parser import MalformedPacketError, frame, packet, packets, parse
from extauth_http.protocol.replies import Dialect, reply
from extauth_http.protocol.verdict import Answer, Verdict
from tests.program.running_port import FAILURE, FALSE, TRUE, FakeDecider, RunningPort

commands = st.builds(
    lambda operation, password: packet(Command(operation, "u", "h", password)),
    st.sampled_from(Operation),
    st.sampled_from(["allow", "deny", "undecided", "raise", "exit", "other"]),
)
streams = st.lists(commands | st.binary(max_size=30).map(frame) | st.binary(max_size=5)).map(
    b"".join
)


def expected_reply(payload: bytes) -> bytes:
    """The reply of ``FakeDecider`` to a packet."""
    try:
        command = parse(payload)
    except MalformedPacketError as malformed:
        return reply(Verdict.DENY, malformed.operation, Dialect.EJABBERD)
    verdicts = {"allow": Verdict.ALLOW, "undecided": Verdict.UNDECIDED}
    verdicts |= dict.fromkeys(("raise", "exit"), Verdict.UNDECIDED)
    verdict = verdicts.get(command.password, Verdict.DENY)
    return reply(verdict, command.operation, Dialect.EJABBERD)


@given(streams, st.data())
@settings(deadline=None)
def test_each_whole_packet_gets_one_reply(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    running = RunningPort()
    answers = running.run(stream, cuts)
    whole = list(packets(stream))
    assert answers == b"".join(map(expected_reply, whole))
    assert len(running.outcomes) == len(whole)
    left = len(stream) - sum(2 + len(each) for each in whole)
    assert running.warnings == (["input_cut_off"] if left else [])
    assert running.details == ([f"the input ended {left} bytes into a packet"] if left else [])


def test_replies_come_in_the_order_of_their_packets() -> None:
    asked = ["allow", "deny", "undecided", "raise", "deny", "exit", "allow"] * 20
    stream = b"".join(packet(Command(Operation.AUTH, "u", "h", each)) for each in asked)
    answers = RunningPort().run(stream, [])
    numbers = {"allow": 1, "deny": 0, "undecided": 2, "raise": 2, "exit": 2}
    assert answers == b"".join(b"\x00\x02\x00" + bytes([numbers[each]]) for each in asked)


def test_a_packet_right_after_a_reply_has_waited_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = packet(Command(Operation.AUTH, "u", "h", "allow")) * 3
    monkeypatch.setattr(pending_packet, "QUEUED_SECONDS", 60.0)
    for share, expected in ((1e9, [False, True, True]), (0.0, [False, False, False])):
        monkeypatch.setattr(pending_packet, "QUEUED_SHARE", share)
        running = RunningPort()
        running.run(stream, [])
        assert [outcome.is_queued for outcome in running.outcomes] == expected


def test_a_log_that_fails_costs_no_reply() -> None:
    def record(_: Outcome) -> None:
        raise RuntimeError

    running = RunningPort(record=record)
    running.ask("allow", "deny")
    assert [running.answer(), running.answer()] == [TRUE, FALSE]
    running.run(b"", [])


def test_non_blocking_streams_are_waited_for() -> None:
    running = RunningPort()
    filled = running.fill_output()
    for descriptor in (running.source, running.sink):
        os.set_blocking(descriptor, False)
    for _ in range(2):
        running.ask("allow")
        time.sleep(0.05)
    running.drain_output(filled)
    assert [running.answer(), running.answer()] == [TRUE, TRUE]
    running.ask("deny")
    assert running.answer() == FALSE
    running.run(b"", [])


def test_an_error_of_the_decider_is_undecided_and_its_type_is_recorded() -> None:
    running = RunningPort()
    running.ask("raise", "exit")
    assert [running.answer(), running.answer()] == [FAILURE, FAILURE]
    running.run(b"", [])
    assert [each.decision for each in running.outcomes] == [
        Decision(Answer(Verdict.UNDECIDED, "internal_error", name), "fake")
        for name in ("RuntimeError", "SystemExit")
    ]


def test_the_decider_gets_the_request_id_that_is_recorded() -> None:
    told: list[tuple[str, str]] = []

    class Listening(FakeDecider):
        def decide(self, command: Command, due: float, request_id: str) -> Decision:
            told.append((command.host, request_id))
            return super().decide(command, due, request_id)

        def kind(self, host: str) -> str | None:
            told.append((host, ""))
            return "fake"

    running = RunningPort(Listening)
    running.ask("allow")
    assert running.answer() == TRUE
    running.run(b"", [])
    assert told == [("h", ""), ("h", running.outcomes[0].request_id)]


def test_an_outcome_holds_the_command_its_size_and_its_time() -> None:
    asked = Command(Operation.SETPASS, "u", "h", "allow")
    stream = packet(asked) + frame(b"setpass:U:h:x") + frame(b"nonsense")
    running = RunningPort()
    running.run(stream, [])
    whole, half, none = running.outcomes
    assert len({whole.request_id, half.request_id, none.request_id}) == 3
    assert {len(each.request_id) for each in running.outcomes} == {16}
    assert [each.size for each in running.outcomes] == [len(packet(asked)) - 2, 13, 8]
    assert [each.operation for each in running.outcomes] == [asked.operation] * 2 + [None]
    assert [each.command for each in running.outcomes] == [asked, None, None]
    assert {each.dialect for each in running.outcomes} == {Dialect.EJABBERD}
    assert all(0 < each.seconds < 10 for each in running.outcomes)
    assert half.decision == Decision(Answer(Verdict.DENY, "upper_case"))
    assert none.decision == Decision(Answer(Verdict.DENY, "unknown_operation"))
