"""``stats`` splits files into lines, compressed or not."""

import gzip
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from extauth_http.stats.sources import MAX_LINE_BYTES, LineSplitter, oldest_first, read_log
from tests.stats.log_lines import clock, line


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_the_same_for_any_size_of_blocks(size: int) -> None:
    data = b"one\ntwo\n\nthree"
    lines = LineSplitter()
    found = [each for at in range(0, len(data), size) for each in lines.feed(data[at : at + size])]
    assert found + lines.end() == [b"one", b"two", b"", b"three"]


def test_a_line_without_an_end_is_not_kept_in_memory() -> None:
    lines = LineSplitter()
    most = 0
    for _ in range(50):
        assert lines.feed(b"x" * 100_000) == []
        most = max(most, len(lines._rest))
    assert most <= MAX_LINE_BYTES + 100_000
    long, good = lines.feed(b"x\ngood\n")
    assert (len(long) < 100, good) == (True, b"good")


@pytest.mark.parametrize(
    ("damage", "is_whole"),
    [
        (lambda data: data, True),
        (lambda data: data + gzip.compress(line()), True),
        (lambda data: data[:-20], False),
        (lambda data: data[:500] + bytes(50) + data[550:], False),
        (lambda data: data + b"rubbish", False),
    ],
    ids=["whole", "two members", "cut off", "damaged", "something behind it"],
)
def test_a_damaged_gzip_file_is_read_as_far_as_possible(
    tmp_path: Path, damage: Callable[[bytes], bytes], is_whole: bool
) -> None:
    file = tmp_path / "log"
    many = b"".join(line(request=os.urandom(8).hex()) for _ in range(500))
    file.write_bytes(damage(gzip.compress(many)))
    lines: list[bytes] = []
    with file.open("rb") as opened:
        error = read_log(opened, lines.append, lambda _: None)
    assert (error is None) is is_whole
    assert lines or not is_whole


def test_progress_is_in_bytes_of_the_file(tmp_path: Path) -> None:
    data = b"x" * 99 + b"\n"
    steps: list[int] = []
    assert read_log(io.BytesIO(data * 30_000), lambda _: None, steps.append) is None
    assert steps == sorted(steps)
    assert steps[-1] == 3_000_000


def test_the_oldest_file_is_read_first(tmp_path: Path) -> None:
    new, old, older = tmp_path / "log", tmp_path / "log.1", tmp_path / "log.2.gz"
    new.write_bytes(b"noise\n" + line(time=clock(20)))
    old.write_bytes(line(time=clock(10)))
    older.write_bytes(gzip.compress(line()))
    assert oldest_first([new, old, older]) == [older, old, new]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert oldest_first([pipe, new, old]) == [old, new, pipe]
    pipe.unlink()  # the search for credentials after the tests would wait for a writer
    new.write_bytes(gzip.compress(line(time=clock(20)))[:-8])  # cut off
    assert oldest_first([new, old, older]) == [older, old, new]
