"""Packets and commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packet_parser import (
    MAX_PACKET,
    MalformedPacketError,
    PacketReader,
    frame,
    packet,
    parse,
)


@pytest.mark.parametrize(
    ("payload", "command"),
    [
        (b"auth:alice:b.example:pw", Command(Operation.AUTH, "alice", "b.example", "pw")),
        (b"auth:alice:b.example:a:b:", Command(Operation.AUTH, "alice", "b.example", "a:b:")),
        (b"auth:alice:b.example:", Command(Operation.AUTH, "alice", "b.example", "")),
        (b"isuser:alice:b.example", Command(Operation.ISUSER, "alice", "b.example")),
        (b"setpass:a:h:new", Command(Operation.SETPASS, "a", "h", "new")),
        (b"tryregister:a:h:pw", Command(Operation.TRYREGISTER, "a", "h", "pw")),
        (b"removeuser:a:h", Command(Operation.REMOVEUSER, "a", "h")),
        (b"removeuser3:a:h:pw", Command(Operation.REMOVEUSER3, "a", "h", "pw")),
        (b"certauth:a:h:MIIB:x", Command(Operation.CERTAUTH, "a", "h", "MIIB:x")),
        ("auth:jürgen:h:😀\n".encode(), Command(Operation.AUTH, "jürgen", "h", "😀\n")),
    ],
)
def test_a_packet_is_parsed_into_a_command(payload: bytes, command: Command) -> None:
    assert parse(payload) == command


@pytest.mark.parametrize(
    ("payload", "reason", "operation"),
    [
        (b"", "empty_packet", None),
        (b"\xff\xfe", "not_utf8", None),
        (b"auth:a:h:\xff", "not_utf8", None),
        (b"login:a:h:pw", "unknown_operation", None),
        (b"AUTH:a:h:pw", "unknown_operation", None),
        (b"auth", "too_few_fields", Operation.AUTH),
        (b"auth:a:h", "too_few_fields", Operation.AUTH),
        (b"isuser:a", "too_few_fields", Operation.ISUSER),
        (b"removeuser3:a:h", "too_few_fields", Operation.REMOVEUSER3),
        (b"isuser:a:h:pw", "too_many_fields", Operation.ISUSER),
        (b"removeuser:a:h:pw", "too_many_fields", Operation.REMOVEUSER),
        (b"auth::h:pw", "empty_name", Operation.AUTH),
        (b"auth:a::pw", "empty_name", Operation.AUTH),
        (b"auth:a:h:p\0w", "control_character", Operation.AUTH),
        (b"auth:a\0:h:pw", "control_character", Operation.AUTH),
        (b"auth:a\nb:h:pw", "control_character", Operation.AUTH),
        (b"auth:a:h\r:pw", "control_character", Operation.AUTH),
        ("auth:a\u2028b:h:pw".encode(), "control_character", Operation.AUTH),
        ("auth:a\x85b:h:pw".encode(), "control_character", Operation.AUTH),
        (b"auth:Alice:h:pw", "upper_case", Operation.AUTH),
        (b"auth:alice:H:pw", "upper_case", Operation.AUTH),
    ],
)
def test_a_packet_that_ejabberd_never_sends_is_malformed(
    payload: bytes, reason: str, operation: Operation | None
) -> None:
    with pytest.raises(MalformedPacketError) as caught:
        parse(payload)
    assert (caught.value.reason, caught.value.operation) == (reason, operation)


names = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=":\u2028\u2029"), min_size=1
).map(str.lower)
passwords = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@st.composite
def commands(draw: st.DrawFn) -> Command:
    operation = draw(st.sampled_from(Operation))
    password = draw(passwords) if operation.has_credential else ""
    return Command(operation, draw(names), draw(names), password)


@given(commands())
def test_an_encoded_command_is_parsed_into_the_same_command(command: Command) -> None:
    reader = PacketReader()
    reader.feed(packet(command))
    payload = reader.next_packet()
    assert payload is not None
    assert parse(payload) == command


@given(st.binary())
def test_any_bytes_are_a_command_or_malformed(payload: bytes) -> None:
    try:
        command = parse(payload)
    except MalformedPacketError:
        return
    assert packet(command) == frame(payload)


@given(st.lists(st.binary(max_size=40)), st.data())
def test_packets_are_complete_wherever_the_reads_end(
    payloads: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(frame, payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    reader = PacketReader()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        reader.feed(stream[start:end])
        while (payload := reader.next_packet()) is not None:
            found.append(payload)
    assert found == payloads
    assert reader.leftover == 0


def test_an_incomplete_packet_waits_for_its_last_byte() -> None:
    reader = PacketReader()
    for byte in frame(b"isuser:a:h")[:-1]:
        reader.feed(bytes([byte]))
        assert not reader.has_packet
        assert reader.next_packet() is None
    assert reader.leftover == 11
    reader.feed(b"h")
    assert reader.has_packet
    assert reader.next_packet() == b"isuser:a:h"


def test_a_packet_holds_at_most_65535_bytes() -> None:
    longest = b"x" * MAX_PACKET
    reader = PacketReader()
    reader.feed(frame(longest))
    assert reader.next_packet() == longest
    with pytest.raises(ValueError, match="65535 bytes at most, this one has 65536"):
        frame(longest + b"x")


def test_a_command_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(Command(Operation.AUTH, "alice", "h", "hunter2"))


@pytest.mark.parametrize("letter", [chr(code) for code in (*range(32), *range(127, 160))])
def test_a_name_with_a_control_character_is_malformed(letter: str) -> None:
    for payload in (f"isuser:a{letter}b:h", f"auth:a:h{letter}:pw"):
        with pytest.raises(MalformedPacketError) as raised:
            parse(payload.encode())
        assert raised.value.reason == str(raised.value) == "control_character"


def test_characters_next_to_the_forbidden_ones_are_allowed() -> None:
    names = " ~\xa0@[`{XÀ\u2027\u202a".replace("X", "")
    assert parse(f"isuser:{names}:h".encode()).user == names
    for letter in "ABMYZ":
        with pytest.raises(MalformedPacketError) as raised:
            parse(f"isuser:{letter}:h".encode())
        assert raised.value.reason == "upper_case"
