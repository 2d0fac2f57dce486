"""The streams of debug mode: packets or lines of text."""

import pytest

from extauth_http.program.debug_stream import TextReader, is_text
from extauth_http.protocol.packet_parser import frame
from extauth_http.protocol.verdict import Verdict
from tests.integration.program import auth, isuser


@pytest.mark.parametrize(
    ("beginning", "text"),
    [
        (b"auth:a:h:pw\n", True),
        (b"# comment", True),
        (b"\nauth:", True),
        (b"isuser:a:h", True),
        ("\ufeffauth:a".encode(), True),
        (auth("x"), False),
        (auth("x" * 30_000), False),
        (isuser("u" * 9_000), False),
        (frame(b""), False),
    ],
)
def test_the_first_bytes_decide_between_text_and_packets(beginning: bytes, text: bool) -> None:
    assert is_text(beginning) is text


@pytest.mark.parametrize("cut", range(1, 40))
def test_lines_come_out_whole_wherever_the_reads_end(cut: int) -> None:
    text = b"# comment\nisuser:a:h => deny\n\nauth:a:h:pw"
    reader = TextReader()
    found = []
    for data in (text[:cut], text[cut:], b""):
        reader.feed(data)
        while (packet := reader.next_packet()) is not None:
            found.append((packet, reader.expected))
    assert found == [(b"isuser:a:h", Verdict.DENY), (b"auth:a:h:pw", None)]
