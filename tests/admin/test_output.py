"""What the operator sees: printable text, exact states, and a question before the end."""

import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from extauth_http.admin.outcomes import Outcome, State
from extauth_http.admin.output import Output
from tests.admin.fake_commands import FakeRoom
from tests.admin.fake_ejabberd import FakeEjabberd, respond
from tests.admin.operator import EXECUTABLE, ROOM, Operator

ALICE = "alice@example.org"
HOSTILE = "[red]x[/red]\x1b[2J\x9b31m\x07\r\n\t\N{RIGHT-TO-LEFT OVERRIDE}gpj\x00\ud800:smile:"
SHOWN = "[red]x[/red]�[2J�31m�����gpj��:smile:"


def is_printable(text: str) -> bool:
    return all(letter.isprintable() or letter == "\n" for letter in text)


def test_a_resource_is_printable_everywhere(operator: Operator, server: FakeEjabberd) -> None:
    server.sessions[ALICE] = [HOSTILE]
    for arguments in (
        ("sessions", ALICE),
        ("kick", ALICE),
        ("kick", ALICE, "--resource", "other"),
        ("kick", ALICE, "--dry-run", "--notify", "bye"),
    ):
        result = operator("user", *arguments)
        assert is_printable(result.out + result.err)
        assert "gpj" in result.out + result.err


def test_a_nick_is_printable_everywhere(operator: Operator, server: FakeEjabberd) -> None:
    server.rooms[ROOM] = FakeRoom({f"{ALICE}/phone": HOSTILE}, options={"title": HOSTILE})
    for arguments in (("show", ROOM), ("remove", ROOM, ALICE), ("destroy", ROOM, "--dry-run")):
        result = operator("room", *arguments)
        assert is_printable(result.out + result.err)
    assert SHOWN in operator("room", "show", ROOM).out
    assert SHOWN in operator("room", "remove", ROOM, ALICE).err


@pytest.mark.parametrize("arguments", [("user", "sessions", ALICE), ("room", "show", ROOM)])
def test_json_is_one_line_of_ascii_with_all_characters(
    operator: Operator, server: FakeEjabberd, arguments: tuple[str, ...]
) -> None:
    server.sessions[ALICE] = [HOSTILE]
    server.rooms[ROOM] = FakeRoom({f"{ALICE}/x": HOSTILE})
    result = operator(*arguments, "--json")
    assert result.out.isascii()
    assert result.out.count("\n") == 1
    assert is_printable(result.out)
    listed = result.json.get("sessions") or result.json["occupants"]
    assert listed[0].get("resource", listed[0].get("nick")) == HOSTILE


def test_a_message_of_the_server_is_printable(operator: Operator, server: FakeEjabberd) -> None:
    server.script("kick_user", respond(400, HOSTILE))
    result = operator("user", "kick", ALICE, "--yes")
    assert result.code == 1
    assert is_printable(result.out + result.err)


def test_a_table_is_not_cut_to_the_width_of_the_terminal(
    operator: Operator, server: FakeEjabberd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    server.sessions[ALICE] = ["r" * 300]
    lines = operator("user", "sessions", ALICE).out.splitlines()
    assert (len(lines), "r" * 300 in lines[1]) == (2, True)


OUTCOMES = [
    Outcome("a", State.DONE, "1 ended"),
    Outcome("b", State.NOT_KNOWN, "lost"),
    Outcome("c", State.NOT_DONE, "no", hint="do this"),
    Outcome("d", State.NOT_DONE, "no", hint="do this"),
]


def test_failures_come_last_and_each_hint_is_printed_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert Output(as_json=False).outcomes(OUTCOMES) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "✔ a: 1 ended",
        "? b: lost",
        "✘ c: no",
        "✘ d: no",
        "1 done, 2 not done, 1 not known",
    ]
    assert captured.err.count("do this") == 1


def test_a_dry_run_reports_nothing_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert Output(as_json=False, is_dry_run=True).outcomes(OUTCOMES[:1]) == 0
    assert Output(as_json=False, is_dry_run=True).outcomes(OUTCOMES) == 1
    assert capsys.readouterr().out.splitlines() == [
        "- a: dry run: 1 ended",
        "- a: dry run: 1 ended",
        "? b: lost",
        "✘ c: no",
        "✘ d: no",
        "1 would be done, 2 not done, 1 not known",
    ]
    Output(as_json=True, is_dry_run=True).outcomes(OUTCOMES[:1])
    assert json.loads(capsys.readouterr().out)["outcomes"][0]["state"] == "would be done"


def test_the_exit_code_is_0_if_all_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert Output(as_json=True).outcomes(OUTCOMES[:1], room="r") == 0
    assert json.loads(capsys.readouterr().out) == {
        "room": "r",
        "outcomes": [{"target": "a", "state": "done", "message": "1 ended"}],
    }


def command_line(operator: Operator) -> list[str]:
    return [str(EXECUTABLE), "--config", str(operator.config), "user", "kick", ALICE]


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    return {**kept, "XDG_STATE_HOME": str(folder / "state"), **more}


@pytest.mark.parametrize(
    ("answer", "is_kicked"),
    [("y", True), ("yes", True), ("YES", True), ("n", False), ("", False), ("yep", False)],
)
def test_only_yes_at_the_terminal_confirms(
    operator: Operator, server: FakeEjabberd, answer: str, is_kicked: bool
) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command_line(operator),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment(operator.folder),
    ) as process:
        os.close(theirs)
        output = until(ours, b"[y/N] ")
        assert b"End 2 sessions of alice@example.org (" in output
        assert server.changes == []
        os.write(ours, f"{answer}\n".encode())
        output = until(ours, b"ended" if is_kicked else b"nothing was changed")
        os.close(ours)
    assert process.returncode == (0 if is_kicked else 1)
    assert (ALICE not in server.sessions) is is_kicked


@pytest.mark.parametrize(("count", "is_shown"), [(12, True), (2, False)])
def test_many_targets_at_a_terminal_have_a_progress_bar(
    operator: Operator, server: FakeEjabberd, count: int, is_shown: bool
) -> None:
    users = [f"user{number}@example.org" for number in range(count)]
    server.sessions = {user: ["x"] for user in users}
    ours, theirs = pty.openpty()
    command = [*command_line(operator)[:-1], "--yes", *users]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment(operator.folder, TERM="xterm"),
    ) as process:
        os.close(theirs)
        assert process.stdout
        out = process.stdout.read().decode()
        output = b""
        while select.select([ours], [], [], 0.5)[0]:
            try:
                output += os.read(ours, 4096)
            except OSError:  # no process has it open
                break
        os.close(ours)
    assert process.returncode == 0
    assert out.splitlines()[-1] == f"{count} done, 0 not done, 0 not known"
    assert (b"ending sessions" in output) is is_shown
    assert "\x1b" not in out


def until(terminal: int, wanted: bytes) -> bytes:
    output = b""
    end = time.monotonic() + 20
    while wanted not in output and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            output += os.read(terminal, 4096)
    assert wanted in output
    return output


@pytest.mark.parametrize("stdin", [b"", b"y\n", b"yes\n"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "kick", ALICE),
        ("user", "kick", ALICE, "--resource", "phone"),
        ("user", "revoke", ALICE, "--no-verify"),
        ("room", "remove", ROOM, ALICE),
        ("room", "remove", ROOM, ALICE, "--ban"),
        ("room", "destroy", ROOM),
        ("room", "unregister-nick", ALICE, "conference.example.org"),
    ],
)
def test_without_a_terminal_nothing_is_changed_without_yes(
    operator: Operator, server: FakeEjabberd, arguments: tuple[str, ...], stdin: bytes
) -> None:
    server.nicks[ALICE] = "Ali"
    result = operator(*arguments, stdin=stdin)
    assert (result.code, result.out) == (2, "")
    assert "Standard input is not a terminal: add --yes" in result.err
    assert server.changes == []


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "| true", "2>&1 | true"])
@pytest.mark.parametrize("more", [("--yes",), ("--yes", "--json"), ()])
def test_a_closed_stream_causes_no_traceback(
    operator: Operator, server: FakeEjabberd, closed: str, more: tuple[str, ...]
) -> None:
    result = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *command_line(operator), *more],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=environment(operator.folder),
        check=False,
    )
    output = result.stdout + result.stderr
    assert b"Traceback" not in output
    assert b"Exception" not in output
    assert (ALICE in server.sessions) is ("--yes" not in more)


@pytest.mark.parametrize("more", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}])
def test_a_terminal_with_another_encoding_shows_the_result(
    operator: Operator, server: FakeEjabberd, more: dict[str, str]
) -> None:
    result = subprocess.run(
        [*command_line(operator), "--yes"],
        capture_output=True,
        env=environment(operator.folder, **more),
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.endswith(b" alice@example.org: 2 sessions ended\n")
