"""``extauth-http stats`` as a process: its input, its output and its exit code."""

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.program import EXECUTABLE, Program, auth, rest
from tests.integration.service import Service, http
from tests.stats.log_lines import DENIED, LATE, clock, line


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
def test_without_a_file_it_reads_the_configured_log_or_standard_input(
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
        (["--pools", "0", "-"], "expected 1 or more pools"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(
    tmp_path: Path, arguments: list[str], error: str
) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(line()))
    done = run(tmp_path, *(argument.format(tmp_path) for argument in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr
    assert "Traceback" not in done.stderr


def test_a_truncated_file_is_reported_and_its_entries_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "log.gz"
    file.write_bytes(gzip.compress(line())[:-4])
    done = run(tmp_path, file)
    assert done.returncode == 1
    assert "log.gz: Compressed file ended" in done.stderr
    assert "1 answers" in done.stdout


def test_piped_output_has_no_escape_sequences(tmp_path: Path) -> None:
    lines = line() + line(user="[red]x", time=clock(9), **DENIED) + line(time=clock(10), **LATE)
    event = line(event="[bold]event[/bold]", time=clock(10))
    done = run(tmp_path, "-", stdin=lines + event + b"noise\n")
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    for shown in (
        "3 answers; 1 [bold]event[/bold]; 1 lines that are not JSON",
        "[red]x@example.org",
        "undecided  deadline         1  33.3%",
        "pool: 1 members, busy 0.3% of the time",
    ):
        assert shown in done.stdout


def test_an_empty_log_is_not_an_error(tmp_path: Path) -> None:
    assert run(tmp_path, "-").stdout == "0 answers\n"
    assert json.loads(run(tmp_path, "--json", "-").stdout)["pool"]["busy"] is None


@pytest.mark.parametrize(
    ("more", "shown"), [([], b"j\\xfcrgen@example.org"), (["--json"], b"j\\u00fcrgen@example.org")]
)
def test_a_name_that_the_locale_cannot_encode_is_escaped(
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


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["tables", "JSON"])
@pytest.mark.parametrize("hosts", [1, 500])
def test_a_closed_output_is_not_an_error(tmp_path: Path, options: list[str], hosts: int) -> None:
    """The output for 500 hosts does not fit into a buffer. The flush at exit then fails again."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    file = tmp_path / "log"
    file.write_bytes(b"".join(line(host=f"host{number}") for number in range(hosts)))
    done = subprocess.run(
        [EXECUTABLE, "stats", *options, file], stdout=write_end, stderr=subprocess.PIPE, check=False
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_log_of_the_program_is_read_completely(tmp_path: Path) -> None:
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
