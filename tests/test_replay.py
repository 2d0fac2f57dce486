"""``replay`` and ``--debug``: the input that they read, and what they print and never print."""

import contextlib
import os
import pty
import subprocess
from pathlib import Path

import pytest

from extauth_http.program.outcome import Decision, Outcome
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packet_parser import packets
from extauth_http.protocol.replies import Dialect
from extauth_http.protocol.verdict import Answer, Verdict
from extauth_http.replay import Row, packets_of_text, print_rows
from tests.integration.program import EXECUTABLE, auth, rest
from tests.integration.service import Request, Service, http


def test_a_text_file_becomes_packets() -> None:
    framed = packets_of_text("# hi\nauth:a:h:ä => allow\n\nisuser:a:h".encode())
    assert list(packets(framed)) == ["auth:a:h:ä".encode(), b"isuser:a:h"]


def test_a_line_that_is_too_long_for_a_packet_is_an_error_with_its_number() -> None:
    with pytest.raises(ValueError, match="line 2: a packet holds 65535 bytes at most"):
        packets_of_text(b"isuser:a:h\nauth:a:h:" + b"x" * 66_000)


def password_decides(request: Request, connection: object) -> None:
    right = request.json().get("password", "right") == "right"
    connection.sendall(http(200, "true" if right else "false"))  # type: ignore[attr-defined]


def run(
    folder: Path, *arguments: str, stdin: bytes = b"", config: str = ""
) -> subprocess.CompletedProcess[bytes]:
    file = folder / "c.toml"
    file.write_text(config)
    return subprocess.run(
        [EXECUTABLE, "--config", file, *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
    )


SESSION = b"""
# a session
auth:alice:example.org:right => allow
auth:alice:example.org:hunter2 => allow
isuser:alice:example.org => undecided
nonsense
auth:Alice:example.org:hunter2 => deny"""


def test_debug_mode_prints_one_line_for_each_line_of_text(tmp_path: Path) -> None:
    with Service(password_decides) as service:
        done = run(tmp_path, "--debug", stdin=SESSION, config=rest(service.url))
    lines = done.stdout.decode().splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ALLOW", "auth:alice:example.org:********"],
        ["DENY", "auth:alice:example.org:********"],
        ["ALLOW", "isuser:alice:example.org"],
        ["DENY", "malformed"],
        ["DENY", "malformed"],
    ]
    assert ["NOT AS EXPECTED" in line for line in lines] == [False, True, True, False, False]
    assert done.returncode == 0
    assert b"config_loaded" in done.stderr
    assert b"hunter2" not in done.stdout + done.stderr


def test_a_line_that_is_not_utf_8_does_not_stop_debug_mode(tmp_path: Path) -> None:
    with Service(password_decides) as service:
        stdin = b"auth:alice:example.org:\xff\nauth:alice:example.org:right"
        done = run(tmp_path, "--debug", stdin=stdin, config=rest(service.url))
    first, second = done.stdout.decode().splitlines()
    assert "not_utf8" in first
    assert second.startswith("ALLOW")


def test_debug_mode_replies_to_packets_with_packets(tmp_path: Path) -> None:
    with Service(password_decides) as service:
        framed = auth("right") + auth("wrong")
        done = run(tmp_path, "--debug", stdin=framed, config=rest(service.url))
    assert done.stdout == b"\x00\x02\x00\x01\x00\x02\x00\x00"


@pytest.mark.parametrize("framed", [False, True])
def test_replay_prints_a_table_and_exits_with_1_after_an_unexpected_verdict(
    tmp_path: Path, framed: bool
) -> None:
    file = tmp_path / "x.replay"
    file.write_bytes(packets_of_text(SESSION) if framed else SESSION)
    with Service(password_decides) as service:
        done = run(tmp_path, "replay", str(file), config=rest(service.url))
    shown = done.stdout.decode()
    assert b"hunter2" not in done.stdout + done.stderr
    assert "5 commands in" in shown
    assert "2 allow, 3 deny, 0 undecided" in shown
    if framed:
        assert done.returncode == 0
    else:
        assert "deny, expected allow" in shown
        assert "2 of 4 expectations met" in shown
        assert done.returncode == 1


def at_a_terminal(folder: Path, *arguments: str) -> str:
    """The output of a run at a terminal of 80 columns. The service refuses connections."""
    file = folder / "c.toml"
    file.write_text(rest("http://127.0.0.1:1"))
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(
        [EXECUTABLE, "--config", file, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "COLUMNS": "80", "NO_COLOR": "1"},
    ):
        os.close(theirs)
        os.write(ours, b"\x04")  # Ctrl-D
        with contextlib.suppress(OSError):  # EIO: the program has closed its end
            while data := os.read(ours, 4096):
                shown += data
        os.close(ours)
    return shown.decode()


REORDERED = "alice\u202egro.elpmaxe"
"""A name that a terminal shows in another order (RIGHT-TO-LEFT OVERRIDE)."""


@pytest.mark.parametrize("arguments", [("--debug",), ("replay", "-"), ("--debug", "replay", "-")])
def test_bidirectional_control_characters_are_not_printed(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    with Service(password_decides) as service:
        stdin = f"auth:{REORDERED}:example.org:right\n".encode()
        done = run(tmp_path, *arguments, stdin=stdin, config=rest(service.url))
    shown = done.stdout.decode() + done.stderr.decode()
    assert "\u202e" not in shown
    assert shown.count("alice\ufffdgro.elpmaxe") == 1 + ("--debug" in arguments)


def test_control_characters_in_a_reason_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    command = Command(Operation.ISUSER, "alice", "example.org")
    decision = Decision(Answer(Verdict.UNDECIDED, "status", "from the service: \x1b[2J\u202e"))
    outcome = Outcome("id", 30, command.operation, command, decision, Dialect.EJABBERD, 0.01)
    assert print_rows([Row(outcome)], 0.01) == 0
    assert "from the service: \ufffd[2J\ufffd" in capsys.readouterr().out


def test_a_narrow_terminal_cuts_no_name(tmp_path: Path) -> None:
    name = "somebody.with.a.long.name:conference-centre-of-the-north.example.org"
    file = tmp_path / "x.replay"
    file.write_text(f"isuser:{name}\n")
    _, *lines, counts = at_a_terminal(tmp_path, "replay", str(file)).splitlines()
    assert "".join(line.split()[0] for line in lines) == f"isuser:{name}"
    assert counts.startswith("1 command in ")


@pytest.mark.parametrize(("arguments", "has_notice"), [((), True), (("--debug",), False)])
def test_the_program_started_at_a_terminal_names_the_commands_for_people(
    tmp_path: Path, arguments: tuple[str, ...], has_notice: bool
) -> None:
    assert ("extauth-http replay -" in at_a_terminal(tmp_path, *arguments)) is has_notice


def test_replay_reads_standard_input_and_exits_with_0_if_all_is_as_expected(
    tmp_path: Path,
) -> None:
    with Service(password_decides) as service:
        stdin = b"auth:a:h:right => allow\nauth:a:h:wrong => deny"
        done = run(tmp_path, "replay", "-", stdin=stdin, config=rest(service.url))
    assert done.returncode == 0
    assert b"2 of 2 expectations met" in done.stdout


def test_replay_keeps_its_exit_code_if_its_output_is_closed(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(rest("http://127.0.0.1:1"))
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [EXECUTABLE, "replay", "--config", config, "-"],
        input=b"isuser:alice:example.org => undecided\n",
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write_end)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


def test_replay_reports_an_error_in_the_configuration(tmp_path: Path) -> None:
    done = run(tmp_path, "replay", "-", stdin=b"auth:a:h:x", config="nonsense = 1")
    assert done.returncode == 2
    assert b"nonsense: unknown key" in done.stderr


def test_replay_reports_a_missing_file(tmp_path: Path) -> None:
    done = run(tmp_path, "replay", str(tmp_path / "absent"))
    assert (done.returncode, done.stderr.decode()) == (
        2,
        f"extauth-http: {tmp_path}/absent: No such file or directory\n",
    )


def test_record_writes_the_packets_that_ejabberd_sends(tmp_path: Path) -> None:
    text, out = tmp_path / "x.replay", tmp_path / "x.framed"
    text.write_bytes(b"auth:alice:example.org:pw => allow\n")
    done = run(tmp_path, "replay", "--record", str(out), str(text))
    assert done.returncode == 0
    assert out.read_bytes() == auth("pw")


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    from importlib.metadata import version

    assert run(tmp_path, "--version").stdout.decode() == f"extauth-http {version('extauth-http')}\n"


CONFIG = """
[backend]
kind = "rest"
url = "URL"
headers = { apikey = { file = "SECRET" }, X-Realm = "{host}" }
allow = [ { status = 200, field = "results.code", equals = 200 } ]
deny = [ { status = [400, 404] }, { status = 200, field = "state", equals = ["locked", "off"] } ]
"""


def test_verbose_replay_shows_what_was_exchanged_and_which_rule_decided(tmp_path: Path) -> None:
    answers = {
        "right": '{"results": {"code": 200}, "name": "swordfish"}',
        "off": '{"state": "off"}',
        "other": '{"results": {"code": 400}, "state": "?"}',
        "hunter2": '{"echo": "hunter2"}',
    }

    def behave(request: Request, connection: object) -> None:
        body = answers[request.json()["password"]]
        more = ("Content-Type: application/json", "Set-Cookie: id=hunter2", "X-Echo: right")
        connection.sendall(http(200, body, *more))  # type: ignore[attr-defined]

    secret, file = tmp_path / "key", tmp_path / "x.replay"
    secret.write_text("0ur-0wn-key\n")
    file.write_text("".join(f"auth:alice:example.org:{word}\n" for word in answers))
    with Service(behave) as service:
        config = CONFIG.replace("URL", service.url).replace("SECRET", str(secret))
        done = run(tmp_path, "replay", "-v", str(file), config=config)
    shown = done.stdout.decode()
    for line in (
        'rule 1 of allow holds: { status = 200, field = "results.code", equals = 200 }',
        'rule 2 of deny holds: { status = 200, field = "state", equals = ["locked", "off"] }',
        "rule 1 of allow does not hold: status 200 matches, field results.code is 400",
        "rule 2 of deny does not hold: status 200 matches, field state is another text",
        "rule 1 of allow does not hold: status 200 matches, field results.code is missing",
        f"request: POST {service.url}/auth",
        '"user": "alice", "host": "example.org", "password": "********"}',
        "  apikey: ********",
        "  X-Realm: example.org",
        "  Content-Type: application/json",
        "response: 200 application/json: ",
        "  set-cookie: ********",
        "  x-echo: ********",
        "4 commands in",
    ):
        assert line in shown, line
    for word in ("hunter2", "0ur-0wn-key", "swordfish"):
        assert word not in shown + done.stderr.decode()


def test_verbose_replay_of_a_service_that_does_not_answer_says_so(tmp_path: Path) -> None:
    file = tmp_path / "x.replay"
    file.write_text("auth:alice:example.org:right => undecided\n")
    done = run(tmp_path, "replay", "--verbose", str(file), config=rest("http://127.0.0.1:1/x"))
    assert done.returncode == 0
    assert "connect_refused" in done.stdout.decode()
    assert "response: none" in done.stdout.decode()
