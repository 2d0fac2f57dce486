"""``extauth-http stats``: what it reads, counts and shows."""

import contextlib
import gzip
import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from extauth_http.stats.command import Report, since
from extauth_http.stats.sources import MAX_LINE_BYTES, Lines, in_order, read
from extauth_http.stats.tables import tables
from tests.integration.program import EXECUTABLE, SECONDS, Program, auth, rest
from tests.integration.service import Service, http

ANSWER: dict[str, Any] = {
    "pid": 7,
    "operation": "auth",
    "user": "alice",
    "host": "example.org",
    "verdict": "allow",
    "reason": "allowed",
    "backend": "rest",
    "status": 200,
    "ms": 10.0,
    "request": "0011223344556677",
    "event": "answer",
    "level": "info",
    "time": "2026-05-01T08:00:00.000000Z",
}
DENIED = {"verdict": "deny", "reason": "denied"}
LATE = {"verdict": "undecided", "reason": "deadline"}
MOMENT = 1_777_622_400.0
"""``ANSWER``'s time."""


def line(**fields: Any) -> bytes:
    return json.dumps({**ANSWER, **fields}).encode() + b"\n"


def clock(second: float) -> str:
    return f"2026-05-01T08:{int(second // 60):02}:{second % 60:09.6f}Z"


def counted(*lines: bytes, **options: Any) -> dict[str, Any]:
    report = Report(**options)
    for raw in lines:
        report.line(raw)
    return report.as_json()


def test_commands_are_counted_by_host_and_by_backend() -> None:
    found = counted(
        line(),
        line(time=clock(30), **DENIED),
        line(time=clock(60), host="b.example", backend="oauth", **LATE),
        line(time=clock(120), host="b.example", backend="oauth", operation="isuser"),
    )
    assert found["all"]["verdicts"] == {"allow": 2, "deny": 1, "undecided": 1}
    assert list(found["hosts"]) == ["b.example", "example.org"]
    assert list(found["backends"]) == ["oauth", "rest"]
    host = found["hosts"]["b.example"]
    assert (host["commands"], host["logins"]) == (2, 1)
    assert host["reasons"] == {"allow": {"allowed": 1}, "deny": {}, "undecided": {"deadline": 1}}
    assert found["all"]["logins_per_minute"] == 1.5
    assert found["all"]["logins_in_busiest_minute"] == 2
    assert found["all"]["refused_users"] == [
        {"user": "alice@example.org", "at_least": 1, "at_most": 1}
    ]
    assert found["seconds"] == 120.01


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"Erlang/OTP 25 [erts-13.1.5]", "not_json"),
        (b'{"event": "answer"', "not_json"),
        (b"[1, 2]", "not_json"),
        (b"\xff\xfe{}", "not_json"),
        (b'{"a":' * 100_000, "not_json"),
        (b"{}", "unusable"),
        (b'{"event": 5}', "unusable"),
        (line(ms="fast"), "unusable"),
        (line(ms=-1), "unusable"),
        (line(ms=float("nan")), "unusable"),
        (line(ms=float("inf")), "unusable"),
        (line(ms=True), "unusable"),
        (line(verdict="maybe"), "unusable"),
        (line(verdict=["allow"]), "unusable"),
        (line(host=["example.org"]), "unusable"),
        (line(user=5), "unusable"),
        (line(pid=None), "unusable"),
        (line(pid=1e400), "unusable"),
        (line(time=5), "unusable"),
        (line(time="yesterday"), "unusable"),
        (line(time="0001-01-01T00:00:00Z"), "unusable"),
        (line(time="9999-12-31T23:59:59-14:00"), "unusable"),
        (line(ms=10**400), "answers"),
        (line(host=None), "unusable"),
    ],
)
def test_a_line_of_something_else_is_counted_and_nothing_more(raw: bytes, where: str) -> None:
    found = counted(line(), raw, b"\n", line())
    assert found["lines"][where] == (3 if where == "answers" else 1)
    assert found["lines"]["answers"] == (3 if where == "answers" else 2)
    json.dumps(found, allow_nan=False)


def test_other_events_are_counted_by_name_and_show_pool_members() -> None:
    loaded = json.dumps({"event": "config_loaded", "pid": 8, "time": clock(0)}).encode()
    found = counted(line(), loaded, loaded, line(time=clock(1)))
    assert found["lines"]["other_events"] == {"config_loaded": 2}
    assert found["pool"]["members"] == 2


def test_a_packet_that_could_not_be_read_has_no_host() -> None:
    raw = {key: value for key, value in ANSWER.items() if key not in ("host", "user", "backend")}
    found = counted(json.dumps({**raw, "verdict": "deny", "reason": "not_utf8"}).encode())
    assert list(found["hosts"]) == list(found["backends"]) == ["(none)"]


def test_nothing_that_moves_a_terminal_gets_out() -> None:
    found = counted(line(user="\x1b[2J\u202e", host="h\x9b", reason="a\nb", verdict="deny"))
    text = json.dumps(found, ensure_ascii=False)
    assert "\ufffd[2J\ufffd@h\ufffd" in text
    assert text.isprintable()


def test_a_name_is_kept_up_to_a_length() -> None:
    assert max(map(len, counted(line(host="h" * 60_000))["hosts"])) < 300


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", MOMENT - 90),
        ("30m", MOMENT - 1800),
        ("1h", MOMENT - 3600),
        ("1.5h", MOMENT - 5400),
        ("2d", MOMENT - 172_800),
        ("1w", MOMENT - 604_800),
        ("2026-05-01T08:00", MOMENT),
        ("2026-05-01T08:00:00Z", MOMENT),
        ("2026-05-01 10:00+02:00", MOMENT),
        ("2026-05-01", MOMENT - 28_800),
    ],
)
def test_since_is_so_long_ago_or_a_moment(text: str, moment: float) -> None:
    assert since(text, MOMENT) == moment


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1y", "1 h", "soon"])
def test_since_is_nothing_else(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - only that it is refused counts
        since(text, MOMENT)


def test_what_was_before_is_not_counted() -> None:
    found = counted(line(), line(time=clock(5)), begin=MOMENT + 5)
    assert (found["lines"]["before"], found["lines"]["answers"]) == (1, 1)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_the_same_however_they_arrive(size: int) -> None:
    data = b"one\ntwo\n\nthree"
    lines = Lines()
    found = [each for at in range(0, len(data), size) for each in lines.feed(data[at : at + size])]
    assert found + lines.end() == [b"one", b"two", b"", b"three"]


def test_a_line_without_an_end_is_not_kept() -> None:
    lines = Lines()
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
def test_a_compressed_log_is_read_as_far_as_it_goes(
    tmp_path: Path, damage: Callable[[bytes], bytes], is_whole: bool
) -> None:
    file = tmp_path / "log"
    many = b"".join(line(request=os.urandom(8).hex()) for _ in range(500))
    file.write_bytes(damage(gzip.compress(many)))
    lines: list[bytes] = []
    with file.open("rb") as opened:
        trouble = read(opened, lines.append, lambda _: None)
    assert (trouble is None) is is_whole
    assert lines or not is_whole


def test_progress_is_told_in_bytes_of_the_file(tmp_path: Path) -> None:
    data = b"x" * 99 + b"\n"
    steps: list[int] = []
    assert read(io.BytesIO(data * 30_000), lambda _: None, steps.append) is None
    assert steps == sorted(steps)
    assert steps[-1] == 3_000_000


def test_the_oldest_file_is_read_first(tmp_path: Path) -> None:
    new, old, older = tmp_path / "log", tmp_path / "log.1", tmp_path / "log.2.gz"
    new.write_bytes(b"noise\n" + line(time=clock(20)))
    old.write_bytes(line(time=clock(10)))
    older.write_bytes(gzip.compress(line()))
    assert in_order([new, old, older]) == [older, old, new]
    new.write_bytes(gzip.compress(line(time=clock(20)))[:-8])  # cut off
    assert in_order([new, old, older]) == [older, old, new]


def run(
    folder: Path, *arguments: object, stdin: bytes = b"", config: str | None = None
) -> subprocess.CompletedProcess[str]:
    file = folder / "c.toml"
    if config is not None:
        file.write_text(config)
    return subprocess.run(
        [EXECUTABLE, "--config", file, "stats", *map(str, arguments)],
        input=stdin.decode(),
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
    )


def test_rotated_and_compressed_files_and_standard_input_are_one_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(line(time=clock(120)))
    (tmp_path / "log.1").write_bytes(line(time=clock(60)))
    (tmp_path / "log.2.gz").write_bytes(gzip.compress(line()))
    files = [tmp_path / name for name in ("log", "log.1", "log.2.gz")]
    done = run(tmp_path, "--json", *files, "-", stdin=line(time=clock(180)).decode().encode())
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["lines"]["answers"] == 4
    assert found["all"]["logins_in_busiest_minute"] == 1


@pytest.mark.parametrize(
    ("named", "stdin", "answers"), [("yes", b"", 1), ("no", line() + line(), 2)]
)
def test_without_a_file_it_is_the_configured_one_or_standard_input(
    tmp_path: Path, named: str, stdin: bytes, answers: int
) -> None:
    (tmp_path / "log").write_bytes(line())
    log = f'[log]\nfile = "{tmp_path}/log"\n' if named == "yes" else ""
    done = run(tmp_path, "--json", stdin=stdin, config=rest("http://127.0.0.1:1", top=log))
    assert json.loads(done.stdout)["lines"]["answers"] == answers


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["{}/none"], "none: No such file or directory"),
        (["{}"], ": Is a directory"),
        ([], "c.toml: cannot be read: No such file or directory; name a FILE"),
        (["--since", "soon", "-"], "expected 30m, 1h, 2d or an ISO 8601 time"),
        (["--follow", "{}/log.gz"], "log.gz: compressed"),
        (["--pool-size", "0", "-"], "expected 1 to 1024 pool members"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, arguments: list[str], error: str) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(line()))
    done = run(tmp_path, *(argument.format(tmp_path) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr
    assert "Traceback" not in done.stderr


def test_a_log_that_breaks_off_is_shown_and_said_to(tmp_path: Path) -> None:
    file = tmp_path / "log.gz"
    file.write_bytes(gzip.compress(line())[:-4])
    done = run(tmp_path, file)
    assert done.returncode == 1
    assert "log.gz: Compressed file ended" in done.stderr
    assert "1 answers" in done.stdout


def test_a_person_reads_it_plainly_when_it_is_piped(tmp_path: Path) -> None:
    lines = line() + line(user="[red]x", time=clock(9), **DENIED) + line(time=clock(10), **LATE)
    done = run(tmp_path, "-", stdin=lines + b"noise\n")
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    for shown in (
        "3 answers; 1 lines that are no JSON",
        "[red]x@example.org",
        "undecided  deadline         1  33.3%",
        "pool: 1 members, busy 0.3% of the time",
    ):
        assert shown in done.stdout


def test_no_name_and_no_figure_is_cut_to_a_terminal() -> None:
    report = Report()
    host = "a-host-of-a-long-name.example.org"
    report.line(line(host=host, verdict="deny", reason="denied"))
    found = report.as_json()
    for tally in (found["all"], found["hosts"][host]):
        tally |= {"logins": 12_345_678, "logins_per_minute": 123_456.7}
    screen = Console(width=80, file=io.StringIO())
    screen.print(tables(found))
    assert isinstance(screen.file, io.StringIO)
    said = screen.file.getvalue()
    assert "…" not in said
    assert said.count("12345678") == said.count("123456.7") == 2


def test_an_empty_log_is_no_trouble(tmp_path: Path) -> None:
    assert run(tmp_path, "-").stdout == "0 answers\n"
    assert json.loads(run(tmp_path, "--json", "-").stdout)["pool"]["busy"] is None


@pytest.mark.parametrize(
    ("more", "shown"), [([], b"j\\xfcrgen@example.org"), (["--json"], b"j\\u00fcrgen@example.org")]
)
def test_a_name_that_the_locale_does_not_have_is_escaped(
    tmp_path: Path, more: list[str], shown: bytes
) -> None:
    file = tmp_path / "log"
    file.write_bytes(line(user="j\u00fcrgen", verdict="deny", reason="denied"))
    done = subprocess.run(
        [EXECUTABLE, "stats", file, *more],
        env={"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert shown in done.stdout


def test_who_stops_reading_gets_no_traceback(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    file = tmp_path / "log"
    file.write_bytes(line())
    done = subprocess.run(
        [EXECUTABLE, "stats", "--json", file], stdout=write_end, stderr=subprocess.PIPE, check=False
    )
    os.close(write_end)
    assert done.stderr == b""


def test_what_the_program_logs_is_what_is_read(tmp_path: Path) -> None:
    with (
        Service(lambda _, connection: connection.sendall(http(200, "false"))) as service,
        Program(tmp_path, rest(service.url)) as program,
    ):
        program.ask(auth())
        program.logged()
    found = json.loads(run(tmp_path, "--json", program.log_file).stdout)
    assert found["lines"]["not_json"] == found["lines"]["unusable"] == 0
    assert found["all"]["reasons"]["deny"] == {"denied": 1}
    assert list(found["backends"]) == ["rest"]


@contextlib.contextmanager
def following(file: str | Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [EXECUTABLE, "stats", "--follow", "--json", file], stdout=subprocess.PIPE, **options
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def offset(process: subprocess.Popen[bytes], file: Path) -> int:
    """How far the process has read the file; -1 while it has not opened it."""
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if link.stat().st_ino == file.stat().st_ino:
                info = Path(f"/proc/{process.pid}/fdinfo/{link.name}").read_text()
                return int(info.split()[1])
    return -1


def is_read(process: subprocess.Popen[bytes], file: Path) -> None:
    until = time.monotonic() + SECONDS
    while offset(process, file) != file.stat().st_size:
        assert time.monotonic() < until, "was not read"
        time.sleep(0.02)


def last_report(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    found = json.loads(process.stdout.read().splitlines()[-1])
    assert process.wait(SECONDS) == 0
    assert isinstance(found, dict)
    return found


def rename(file: Path) -> None:
    file.rename(file.with_suffix(".1"))
    with file.with_suffix(".1").open("ab") as late:
        # As the log begins a line where the one before was cut off.
        late.write(b"\n" + line(user="late"))


def truncate(file: Path) -> None:
    os.truncate(file, 0)


@pytest.mark.parametrize(("rotate", "answers"), [(rename, 5), (truncate, 4)])
def test_a_log_is_followed_beyond_its_rotation(
    tmp_path: Path, rotate: Callable[[Path], None], answers: int
) -> None:
    file = tmp_path / "log"
    file.write_bytes(line() + line() + line()[:20])
    with following(file) as process:
        is_read(process, file)
        rotate(file)
        with file.open("ab") as opened:
            opened.write(line())
        is_read(process, file)
        with file.open("ab") as opened:
            opened.write(line())
        is_read(process, file)
        found = last_report(process)
    assert found["lines"]["answers"] == answers
    assert found["lines"]["not_json"] == 1


def test_a_pipe_is_followed_to_its_end() -> None:
    with following("-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line())
        process.stdin.flush()
        process.stdin.write(line()[:-1])
        process.stdin.close()
        found = json.loads(process.stdout.read().splitlines()[-1])
        assert process.wait(SECONDS) == 0
    assert found["lines"]["answers"] == 2
