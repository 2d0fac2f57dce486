"""What the operator types, and what is seen: on a terminal, in a pipe, in JSON."""

import contextlib
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extauth_http.admin import revoke
from extauth_http.cli import main
from tests.admin.scripted import SESSION, Refusal, Scripted, configured
from tests.integration.service import Service, answering, http

CHANGING = {
    "kick_user/v2",
    "kick_session",
    "send_message",
    "clear_cache",
    "oauth_revoke_token",
    "create_room_with_opts",
    "destroy_room",
    "set_room_affiliation/v3",
    "send_direct_invitation/v1",
    "muc_unregister_nick/v0",
}
ROOM = "tea@conference.example.org"
OCCUPANTS = [{"jid": "bob@example.org/desk", "nick": "bob", "role": "participant"}]
ANSWERS = {
    "user_sessions_info": [SESSION],
    "kick_user/v2": "Kicked sessions: 1",
    "kick_session": 0,
    "send_message": 0,
    "clear_cache": 0,
    "oauth_list_tokens": [
        {"token": "tok-of-alice", "user": "alice@example.org", "scope": "", "expires_in": "9"},
        {"token": "tok-of-bob", "user": "bob@example.org", "scope": "", "expires_in": "9"},
    ],
    "oauth_revoke_token": "",
    "get_room_affiliations/v3": [],
    "get_room_occupants": OCCUPANTS,
    "get_subscribers": [],
    "get_room_options": {"title": "Tea"},
    "muc_get_registered_nick": "queen",
    "muc_unregister_nick/v0": 0,
    "create_room_with_opts": 0,
    "set_room_affiliation/v3": 0,
    "send_direct_invitation/v1": 0,
    "destroy_room": 0,
}


@pytest.fixture
def scripted() -> Scripted:
    return Scripted((26, 7), ANSWERS)


@pytest.fixture
def config(scripted: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    with Service(scripted) as service:
        yield configured(tmp_path, service)


ENDING = [
    ("user", "kick", "alice@example.org"),
    ("user", "kick", "alice@example.org", "--resource", "phone"),
    ("user", "kick", "alice@example.org", "--reason", "out"),
    ("user", "revoke", "alice@example.org", "--no-verify"),
    ("room", "remove", ROOM, "bob@example.org"),
    ("room", "remove", ROOM, "bob@example.org", "--ban"),
    ("room", "destroy", ROOM),
    ("room", "unregister-nick", "bob@example.org", "conference.example.org"),
]
CALLING = [
    *((*words, "--notify", "bye") if "unregister-nick" not in words else words for words in ENDING),
    ("user", "notify", "alice@example.org", "hello"),
    ("room", "create", ROOM, "--option", "title=Tea"),
    ("room", "invite", ROOM, "bob@example.org", "--member", "--password", "swordfish"),
]


@pytest.mark.parametrize("words", CALLING, ids=" ".join)
def test_a_dry_run_changes_nothing_and_shows_the_calls(
    words: tuple[str, ...],
    config: str,
    scripted: Scripted,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert main(["--config", config, *words, "--dry-run"]) == 0
    assert not CHANGING & set(scripted.paths())
    told = capsys.readouterr()
    assert "would call: " in told.err
    assert "swordfish" not in told.err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("words", ENDING, ids=" ".join)
def test_what_ends_something_is_not_done_where_nobody_can_be_asked(
    words: tuple[str, ...], config: str, scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", config, *words]) == 2
    assert not CHANGING & set(scripted.paths())
    assert "add --yes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "code", "is_done"),
    [
        ("y\n", 0, True),
        ("YES\n", 0, True),
        ("n\n", 1, False),
        ("\n", 1, False),
        ("yep\n", 1, False),
    ],
)
def test_at_a_terminal_it_is_asked_for(
    typed: str, code: int, is_done: bool, config: str, scripted: Scripted
) -> None:
    words = ["--config", config, "user", "kick", "alice@example.org"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "extauth_http", *words],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(theirs)
        os.write(ours, typed.encode())
        _, err = process.communicate(timeout=30)
    os.close(ours)
    assert (process.returncode, "kick_user/v2" in scripted.paths()) == (code, is_done)
    assert "End 1 session of alice@example.org (phone from 192.0.2.7)? [y/N]" in err


def test_sessions_are_shown_as_a_table_and_as_json(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", config, "user", "sessions", "alice@example.org"]) == 0
    table = capsys.readouterr().out
    for shown in ("phone", "192.0.2.7:44698", "c2s_tls", "available"):
        assert shown in table
    assert "\x1b" not in table
    assert main(["--config", config, "user", "sessions", "alice@example.org", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["user"] == "alice@example.org"
    assert facts["sessions"][0]["since"].endswith("+00:00")


def test_a_table_is_as_wide_as_it_has_to_be(
    config: str, scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = "Some-Client." + "x" * 300  # to be copied into --resource
    scripted.answers["user_sessions_info"] = [{**SESSION, "resource": resource}]
    assert main(["--config", config, "user", "sessions", "alice@example.org"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert resource in lines[1]
    assert "available" in lines[1]


NASTY = "[red]x[/red]\x1b[2J\u202eevil\nline"


def test_what_others_chose_cannot_play_with_the_terminal(
    config: str, scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted.answers["user_sessions_info"] = [{**SESSION, "resource": NASTY, "statustext": NASTY}]
    scripted.answers["get_room_occupants"] = [{**OCCUPANTS[0], "nick": NASTY}]
    for words in (
        ("user", "sessions", "alice@example.org"),
        ("room", "show", ROOM),
        ("user", "kick", "alice@example.org", "--resource", "nothing", "--yes"),
    ):
        main(["--config", config, *words])
        told = capsys.readouterr()
        text = told.out + told.err
        assert "[red]x[/red]" in text
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_many_go_on_after_one_fails_and_it_is_told_which(
    config: str, scripted: Scripted, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def kick(arguments: dict[str, Any]) -> Any:
        answers = {"b": Refusal(500, "internal_error"), "d": b""}
        return answers.get(arguments["user"], "Kicked sessions: 2")

    scripted.answers["kick_user/v2"] = kick
    leavers = tmp_path / "leavers"
    leavers.write_text("".join(f"{user}@example.org\n" for user in "abcde"))
    words = ["user", "kick", "--from", str(leavers), "--yes"]
    assert main(["--config", config, *words]) == 1
    out = capsys.readouterr().out
    assert "✔ a@example.org: 2 sessions ended" in out
    assert "✔ e@example.org: 2 sessions ended" in out
    assert "3 done, 2 not done, 0 not known" in out  # what is not known was looked at again
    assert out.index("e@example.org") < out.index("b@example.org")
    assert scripted.paths().count("kick_user/v2") == 5

    scripted.answers["user_sessions_info"] = []
    assert main(["--config", config, *words, "--json"]) == 0
    states = {
        each["target"]: each["state"] for each in json.loads(capsys.readouterr().out)["outcomes"]
    }
    assert set(states.values()) == {"done"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("kick",), "expected USER@HOST, or --from FILE"),
        (("kick", "a@example.org", "--from", "x"), "not both"),
        (("kick", "a@example.org", "b@example.org", "--resource", "x", "--yes"), "one user"),
        (("revoke", "a@example.org", "b@example.org", "--yes"), "add --no-verify"),
        (("kick", "--from", "/nowhere", "--yes"), "/nowhere: cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_done(
    words: tuple[str, ...],
    said: str,
    config: str,
    scripted: Scripted,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--config", config, "user", *words]) == 2
    assert said in capsys.readouterr().err
    assert not CHANGING & set(scripted.paths())


@pytest.mark.parametrize(
    "words",
    [
        ("user", "kick", "alice"),
        ("user", "kick", "alice@example.org/phone"),
        ("user", "kick", "alice@example.org", "--grace", "soon"),
        ("user", "kick", "alice@example.org", "--notify", "\x07bell"),
        ("room", "show", "tea"),
        ("room", "create", ROOM, "--option", "persistent"),
        ("room", "remove", ROOM, "bob@example.org", "--ban", "--unban"),
        ("room",),
    ],
    ids=repr,
)
def test_bad_arguments_are_named(
    words: tuple[str, ...], config: str, scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--config", config, *words])
    assert ended.value.code == 2
    assert (
        "expected" in (err := capsys.readouterr().err) or "required" in err or "not allowed" in err
    )
    assert scripted.calls == []


SHAPES: list[Any] = [None, 7, "text", [7], {"a": 1}, [{}], [[]], [{"jid": 7}]]


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("user", "sessions", "alice@example.org"), "user_sessions_info"),
        (("user", "kick", "alice@example.org", "--yes"), "kick_user/v2"),
        (("user", "revoke", "alice@example.org", "--yes", "--no-verify"), "oauth_list_tokens"),
        (("room", "list"), "muc_online_rooms_by_regex"),
        (("room", "show", ROOM), "get_room_occupants"),
        (("room", "show", ROOM), "get_room_affiliations/v3"),
        (("room", "show", ROOM), "get_room_options"),
        (("room", "show", ROOM), "get_subscribers"),
        (("user", "sessions", "alice@example.org"), "registered_vhosts"),
    ],
)
def test_an_answer_of_a_strange_shape_is_an_error_or_an_answer_and_never_a_traceback(
    words: tuple[str, ...],
    command: str,
    shape: Any,
    config: str,
    scripted: Scripted,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(revoke, "BACK_AGAIN", 0.0)
    scripted.answers[command] = shape
    assert main(["--config", config, *words]) in (0, 1)
    assert "Traceback" not in capsys.readouterr().err


def test_a_revocation_shows_each_step_and_no_token(
    config: str, scripted: Scripted, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr(revoke, "BACK_AGAIN", 0.0)
    on = [[SESSION], []]
    scripted.answers["user_sessions_info"] = lambda _: on.pop(0) if on else []
    tokens = [ANSWERS["oauth_list_tokens"]]
    scripted.answers["oauth_list_tokens"] = lambda _: tokens.pop() if tokens else []
    words = ["user", "revoke", "alice@example.org", "--yes", "--no-verify"]
    assert main(["--config", config, *words]) == 0
    told = capsys.readouterr()
    for line in ("login cache: cleared", "OAuth tokens: 1 revoked", "sessions: 1 ended"):
        assert f"✔ {line}" in told.out
    assert "tok-of" not in told.out + told.err
    revoked = [call.arguments for call in scripted.calls if call.path == "oauth_revoke_token"]
    assert revoked == [{"token": "tok-of-alice"}]
    assert scripted.paths().index("clear_cache") < scripted.paths().index("kick_user/v2")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (http(200, '{"result": true}'), "still lets alice@example.org in"),
        (http(503, ""), "is not known: http_503"),
    ],
)
def test_a_revocation_begins_only_where_the_service_says_no(
    answer: bytes,
    said: str,
    config: str,
    scripted: Scripted,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Service(answering(answer)) as backend:
        table = f'\n[backend]\nkind = "rest"\nurl = "{backend.url}"\n'
        Path(config).write_text(Path(config).read_text() + table)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"0ld-s3cret\n")))
        assert main(["--config", config, "user", "revoke", "alice@example.org", "--yes"]) == 1
    told = capsys.readouterr()
    assert said in told.err
    assert "nothing was done" in told.err
    assert "0ld-s3cret" not in told.out + told.err
    assert not CHANGING & set(scripted.paths())


@pytest.mark.parametrize(
    ("release", "ended", "came"),
    [
        ((23, 1), 1, "nothing there"),
        ((24, 12), 1, "not possible here"),
        ((25, 8), 1, "not possible here"),
        ((26, 7), 1, "done"),
        ((26, 7), 0, "not possible here"),
        (None, 1, "not possible here"),
    ],
)
def test_fast_tokens_are_called_cleared_only_where_that_was_seen(
    release: tuple[int, int] | None,
    ended: int,
    came: str,
    config: str,
    scripted: Scripted,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(revoke, "BACK_AGAIN", 0.0)
    year, month = release or (0, 0)
    scripted.answers["status"] = f"ejabberd {year}.{month:02} is" if release else Refusal(403, "no")
    scripted.answers["kick_user"] = scripted.answers["kick_user/v2"] = ended
    scripted.answers["oauth_list_tokens"] = []
    on = [[SESSION]] if ended else []
    scripted.answers["user_sessions_info"] = lambda _: on.pop(0) if on else []
    words = ["user", "revoke", "alice@example.org", "--yes", "--no-verify", "--json"]
    code = main(["--config", config, *words])
    steps = json.loads(capsys.readouterr().out)["outcomes"][0]["steps"]
    assert {step["what"]: step["came"] for step in steps}["FAST tokens"] == came
    assert code == (1 if came == "not possible here" else 0)


def test_a_token_that_is_still_listed_afterwards_is_not_passed_over(
    config: str, capsys: pytest.CaptureFixture[str], scripted: Scripted, monkeypatch: Any
) -> None:
    monkeypatch.setattr(revoke, "BACK_AGAIN", 0.0)
    on = [[SESSION]]
    scripted.answers["user_sessions_info"] = lambda _: on.pop() if on else []
    words = ["user", "revoke", "alice@example.org", "--yes", "--no-verify"]
    assert main(["--config", config, *words]) == 1
    assert "✘ afterwards: no session, but an OAuth token is left (1)" in capsys.readouterr().out


def test_many_are_taken_out_of_a_room_at_once(
    config: str, scripted: Scripted, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    people = {user: f"{user}@example.org/desk" for user in "abc"}

    def affiliate(arguments: dict[str, Any]) -> Any:
        if arguments["user"] == "b":
            return Refusal(403, "no")
        if arguments["affiliation"] == "outcast":
            del people[arguments["user"]]
        return 0

    scripted.answers["set_room_affiliation/v3"] = affiliate
    scripted.answers["get_room_occupants"] = lambda _: [
        {"jid": jid, "nick": user, "role": "participant"} for user, jid in people.items()
    ]
    leavers = tmp_path / "leavers"
    leavers.write_text("".join(f"{user}@example.org\n" for user in people))
    words = ["room", "remove", ROOM, "--from", str(leavers), "--yes", "--json"]
    assert main(["--config", config, *words]) == 1
    outcomes = json.loads(capsys.readouterr().out)["outcomes"]
    assert [each["state"] for each in outcomes] == ["done", "not done", "done"]
    assert list(people) == ["b"]


def test_on_a_terminal_a_bar_shows_how_far_it_is(config: str, tmp_path: Path) -> None:
    leavers = tmp_path / "leavers"
    leavers.write_text("".join(f"u{number}@example.org\n" for number in range(40)))
    words = ["user", "kick", "--from", str(leavers), "--yes"]
    ours, theirs = pty.openpty()
    seen = b""
    with subprocess.Popen(
        [sys.executable, "-m", "extauth_http", "--config", config, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # the terminal's other side is closed
            while part := os.read(ours, 65536):
                seen += part
        out, _ = process.communicate(timeout=30)
    os.close(ours)
    assert b"ending sessions" in seen
    assert b"40 done, 0 not done, 0 not known" in out
    assert b"\x1b" not in out


def test_a_room_that_is_not_as_asked_for_is_taken_away_again(
    config: str, scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    create = ["--config", config, "room", "create", ROOM, "--option"]
    assert main([*create, "title=Tea"]) == 0
    assert "destroy_room" not in scripted.paths()
    assert main([*create, "colour=red"]) == 1
    assert "does not know colour; it knows title" in capsys.readouterr().err
    assert main([*create, "title=Coffee"]) == 1
    assert "would make of it title=Tea" in capsys.readouterr().err
    assert scripted.paths().count("destroy_room") == 2


def test_a_reader_that_has_seen_enough_is_no_error(config: str, scripted: Scripted) -> None:
    many = [{"jid": f"room{number}@c", "participants": 1} for number in range(20_000)]
    scripted.answers["muc_online_rooms_by_regex"] = many
    command = f"{sys.executable} -m extauth_http --config {config} room list | head -1"
    ran = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ran.stdout.startswith("room")
    assert "Traceback" not in ran.stderr
    assert "BrokenPipe" not in ran.stderr
