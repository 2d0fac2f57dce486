"""What is shown: the truth, and nothing that a terminal would obey."""

import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from extauth_http.admin.outcome import Outcome, State
from extauth_http.admin.output import Screen, harmless
from extauth_http.admin.visible import visible
from tests.admin.operator import EXECUTABLE, ROOM, Operator
from tests.admin.played import Played, PlayedRoom, says

ALICE = "alice@example.org"
HOSTILE = "[red]x[/red]\x1b[2J\x9b31m\x07\r\n\t\N{RIGHT-TO-LEFT OVERRIDE}gpj\x00\ud800:smile:"
SHOWN = "[red]x[/red]�[2J�31m�����gpj��:smile:"


def is_harmless(text: str) -> bool:
    return all(letter.isprintable() or letter == "\n" for letter in text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("phone", "phone"),
        ("Zoë 電話 📱", "Zoë 電話 📱"),
        ("[red]x[/red]", "[red]x[/red]"),
        (HOSTILE, SHOWN),
        ("a\nb", "a�b"),
    ],
)
def test_what_others_chose_is_one_line_without_commands(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_what_is_of_several_lines_stays_so() -> None:
    assert harmless("a\n\x1b[1mb\n\n") == "a\n�[1mb\n\n"


def test_a_resource_is_shown_harmless_everywhere(operator: Operator, server: Played) -> None:
    server.sessions[ALICE] = [HOSTILE]
    for arguments in (
        ("sessions", ALICE),
        ("kick", ALICE),
        ("kick", ALICE, "--resource", "other"),
        ("kick", ALICE, "--dry-run", "--notify", "bye"),
    ):
        ran = operator("user", *arguments)
        assert is_harmless(ran.out + ran.err)
        assert "gpj" in ran.out + ran.err


def test_a_nick_is_shown_harmless_everywhere(operator: Operator, server: Played) -> None:
    server.rooms[ROOM] = PlayedRoom({f"{ALICE}/phone": HOSTILE}, options={"title": HOSTILE})
    for arguments in (("show", ROOM), ("remove", ROOM, ALICE), ("destroy", ROOM, "--dry-run")):
        ran = operator("room", *arguments)
        assert is_harmless(ran.out + ran.err)
    assert SHOWN in operator("room", "show", ROOM).out
    assert SHOWN in operator("room", "remove", ROOM, ALICE).err


@pytest.mark.parametrize("arguments", [("user", "sessions", ALICE), ("room", "show", ROOM)])
def test_json_is_one_line_of_ascii_that_holds_each_letter(
    operator: Operator, server: Played, arguments: tuple[str, ...]
) -> None:
    server.sessions[ALICE] = [HOSTILE]
    server.rooms[ROOM] = PlayedRoom({f"{ALICE}/x": HOSTILE})
    ran = operator(*arguments, "--json")
    assert ran.out.isascii()
    assert ran.out.count("\n") == 1
    assert is_harmless(ran.out)
    listed = ran.json.get("sessions") or ran.json["occupants"]
    assert listed[0].get("resource", listed[0].get("nick")) == HOSTILE


def test_what_a_server_says_is_shown_harmless(operator: Operator, server: Played) -> None:
    server.meets("kick_user", says(400, HOSTILE))
    ran = operator("user", "kick", ALICE, "--yes")
    assert ran.code == 1
    assert is_harmless(ran.out + ran.err)


def test_a_table_is_not_cut_to_the_width_of_the_terminal(
    operator: Operator, server: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    server.sessions[ALICE] = ["r" * 300]
    lines = operator("user", "sessions", ALICE).out.splitlines()
    assert (len(lines), "r" * 300 in lines[1]) == (2, True)


OUTCOMES = [
    Outcome("a", State.DONE, "1 ended"),
    Outcome("b", State.NOT_KNOWN, "lost"),
    Outcome("c", State.NOT_DONE, "no", advice="do this"),
    Outcome("d", State.NOT_DONE, "no", advice="do this"),
]


def test_those_that_are_not_done_stand_at_the_end_with_what_to_do_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert Screen(as_json=False).outcomes(OUTCOMES) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "✔ a: 1 ended",
        "? b: lost",
        "✘ c: no",
        "✘ d: no",
        "1 done, 2 not done, 1 not known",
    ]
    assert said.err.count("do this") == 1


def test_a_dry_run_tells_nothing_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert Screen(as_json=False, is_dry=True).outcomes(OUTCOMES[:1]) == 0
    assert Screen(as_json=False, is_dry=True).outcomes(OUTCOMES) == 1
    assert capsys.readouterr().out.splitlines() == [
        "- a: dry run: 1 ended",
        "- a: dry run: 1 ended",
        "? b: lost",
        "✘ c: no",
        "✘ d: no",
        "1 would be done, 2 not done, 1 not known",
    ]
    Screen(as_json=True, is_dry=True).outcomes(OUTCOMES[:1])
    assert json.loads(capsys.readouterr().out)["outcomes"][0]["state"] == "would be done"


def test_all_done_is_a_good_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert Screen(as_json=True).outcomes(OUTCOMES[:1], room="r") == 0
    assert json.loads(capsys.readouterr().out) == {
        "room": "r",
        "outcomes": [{"target": "a", "state": "done", "said": "1 ended"}],
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
def test_at_a_terminal_it_is_asked_and_only_yes_goes_on(
    operator: Operator, server: Played, answer: str, is_kicked: bool
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
        said = until(ours, b"[y/N] ")
        assert b"End 2 sessions of alice@example.org (" in said
        assert server.changes == []
        os.write(ours, f"{answer}\n".encode())
        said = until(ours, b"ended" if is_kicked else b"nothing was done")
        os.close(ours)
    assert process.returncode == (0 if is_kicked else 1)
    assert (ALICE not in server.sessions) is is_kicked


@pytest.mark.parametrize(("count", "is_shown"), [(12, True), (2, False)])
def test_many_at_a_terminal_have_a_bar(
    operator: Operator, server: Played, count: int, is_shown: bool
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
        said = b""
        while select.select([ours], [], [], 0.5)[0]:
            try:
                said += os.read(ours, 4096)
            except OSError:  # nobody has it open any more
                break
        os.close(ours)
    assert process.returncode == 0
    assert out.splitlines()[-1] == f"{count} done, 0 not done, 0 not known"
    assert (b"ending sessions" in said) is is_shown
    assert "\x1b" not in out


def until(terminal: int, wanted: bytes) -> bytes:
    said = b""
    end = time.monotonic() + 20
    while wanted not in said and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            said += os.read(terminal, 4096)
    assert wanted in said
    return said


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
def test_without_a_terminal_nothing_is_done_without_yes(
    operator: Operator, server: Played, arguments: tuple[str, ...], stdin: bytes
) -> None:
    server.nicks[ALICE] = "Ali"
    ran = operator(*arguments, stdin=stdin)
    assert (ran.code, ran.out) == (2, "")
    assert "There is no terminal to ask at: add --yes" in ran.err
    assert server.changes == []


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "| true", "2>&1 | true"])
@pytest.mark.parametrize("more", [("--yes",), ("--yes", "--json"), ()])
def test_a_stream_that_is_not_there_is_no_traceback(
    operator: Operator, server: Played, closed: str, more: tuple[str, ...]
) -> None:
    ran = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *command_line(operator), *more],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=environment(operator.folder),
        check=False,
    )
    said = ran.stdout + ran.stderr
    assert b"Traceback" not in said
    assert b"Exception" not in said
    assert (ALICE in server.sessions) is ("--yes" not in more)


@pytest.mark.parametrize("more", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}])
def test_a_terminal_that_cannot_show_each_letter_is_told_all_the_same(
    operator: Operator, server: Played, more: dict[str, str]
) -> None:
    ran = subprocess.run(
        [*command_line(operator), "--yes"],
        capture_output=True,
        env=environment(operator.folder, **more),
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.endswith(b" alice@example.org: 2 sessions ended\n")
