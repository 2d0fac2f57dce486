"""Out of a room without a ban: also when this program or ejabberd ends in the middle."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extauth_http.admin import notes, removal, rooms
from extauth_http.admin.api import Api, ApiError
from extauth_http.admin.notes import NoPlace, Note
from extauth_http.admin.removal import BanLeft
from extauth_http.admin.settings import EjabberdSettings
from extauth_http.cli import main
from extauth_http.jid import Jid
from tests.admin.scripted import Refusal, Scripted, configured
from tests.integration.service import Service

TEA = Jid("tea", "conference.example.org")
BOB = Jid("bob", "example.org")


class Room:
    """The room tea, as far as these commands see it. ``history`` is each affiliation of bob's that
    was set; ``notes`` what was on disk at that moment."""

    def __init__(self, affiliation: str = "none", role: str = "participant") -> None:
        self.affiliation = affiliation
        self.people = {
            "bob@example.org/desk": ("bob", role),
            "adm@example.org/x": ("adm", "moderator"),
        }
        self.history: list[str] = []
        self.notes: list[list[str]] = []
        self.stanzas: list[str] = []
        self.obeys = True

    def answers(self) -> dict[str, Any]:
        return {
            "get_room_affiliations/v3": lambda _: self._affiliations(),
            "get_room_occupants": lambda _: [
                {"jid": jid, "nick": nick, "role": role}
                for jid, (nick, role) in self.people.items()
            ],
            "get_subscribers": [],
            "get_room_options": {},
            "set_room_affiliation/v3": self._set,
            "send_stanza": self._stanza,
        }

    def _affiliations(self) -> list[dict[str, str]]:
        if self.affiliation == "none":
            return []
        return [{"jid": str(BOB), "affiliation": self.affiliation, "reason": ""}]

    def _set(self, arguments: dict[str, Any]) -> int:
        self.affiliation = arguments["affiliation"]
        self.history.append(self.affiliation)
        self.notes.append([file.read_text() for file in notes.folder().glob("*.json")])
        if self.affiliation == "outcast":
            self.people.pop("bob@example.org/desk", None)
        return 0

    def _stanza(self, arguments: dict[str, Any]) -> int:
        self.stanzas.append(arguments["stanza"])
        if self.obeys:
            self.people.pop("bob@example.org/desk", None)
        return 0


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def service(room: Room) -> Iterator[Service]:
    with Service(Scripted((26, 7), room.answers())) as running:
        yield running


def api_of(service: Service, **more: Any) -> Api:
    url = f"http://127.0.0.1:{service.port}/api"
    return Api(EjabberdSettings.model_validate({"api": url, **more}))


def remove(api: Api, reason: str = "", *, ban: bool = False) -> removal.Removed:
    return removal.remove(api, rooms.look(api, TEA), BOB, reason, ban=ban)


@pytest.mark.parametrize("before", ["none", "member", "admin", "owner"])
def test_the_ban_is_on_disk_before_it_is_set_and_what_was_before_is_put_back(
    room: Room, service: Service, before: str
) -> None:
    room.affiliation = before
    done = remove(api_of(service))
    assert (done.how, done.affiliation) == ("banned and let in again", before)
    assert room.history == ["outcast", before]
    assert [len(notes) for notes in room.notes] == [1, 1]
    assert json.loads(room.notes[0][0])["affiliation"] == before
    assert list(notes.folder().iterdir()) == []
    assert notes.folder().stat().st_mode & 0o777 == 0o700


def test_a_ban_that_is_meant_is_not_noted_down(room: Room, service: Service) -> None:
    assert remove(api_of(service), ban=True).how == "banned"
    assert (room.history, room.notes) == (["outcast"], [[]])


def test_who_is_not_there_is_left_alone(room: Room, service: Service) -> None:
    room.people.clear()
    assert remove(api_of(service)).how == "was not in the room"
    assert room.history == []


def test_in_the_moderators_name_the_role_is_taken_and_no_affiliation_touched(
    room: Room, service: Service
) -> None:
    room.people["bob@example.org/desk"] = ("b<o'b\"&", "visitor")
    done = remove(api_of(service, room_admin="adm@example.org"), "out & <away>")
    assert (done.how, room.history) == ("kicked", [])
    (stanza,) = room.stanzas
    assert "nick='b&lt;o\\'b\"&amp;'" in stanza or "b&lt;o'b&quot;&amp;" in stanza
    assert "<reason>out &amp; &lt;away&gt;</reason>" in stanza


@pytest.mark.parametrize("why", ["nobody acts", "is a moderator", "does not obey"])
def test_where_the_role_cannot_be_taken_the_other_way_is_left(
    room: Room, service: Service, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "SEEN", 0.2)
    if why == "nobody acts":
        del room.people["adm@example.org/x"]
    elif why == "is a moderator":
        room.people["bob@example.org/desk"] = ("bob", "moderator")
    else:
        room.obeys = False
    done = remove(api_of(service, room_admin="adm@example.org"))
    assert done.how == "banned and let in again"
    assert room.history == ["outcast", "none"]


def test_nothing_is_banned_that_cannot_be_noted_down(
    room: Room, service: Service, state: Path
) -> None:
    state.write_text("a file where the folder would be")
    with pytest.raises(NoPlace, match="no note of a ban"):
        remove(api_of(service))
    assert room.history == []


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [(Refusal(403, "no"), False), (Refusal(500, "internal_error"), True), (b"", True)],
)
def test_the_note_stays_only_where_the_ban_may_have_been_set(
    service: Service, answer: Any, is_kept: bool
) -> None:
    assert isinstance(service.behave, Scripted)
    service.behave.answers["set_room_affiliation/v3"] = answer
    with pytest.raises(ApiError):
        remove(api_of(service))
    assert bool(list(notes.folder().glob("*.json"))) is is_kept


def test_a_ban_that_cannot_be_taken_away_is_told_and_mended_later(
    room: Room, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "BETWEEN", 0.0)
    assert isinstance(service.behave, Scripted)
    answers = service.behave.answers

    def only_ban(arguments: dict[str, Any]) -> Any:
        return room._set(arguments) if arguments["affiliation"] == "outcast" else Refusal(500, "no")

    answers["set_room_affiliation/v3"] = only_ban
    with pytest.raises(BanLeft, match="extauth-http room mend"):
        remove(api_of(service))
    assert room.affiliation == "outcast"
    answers["set_room_affiliation/v3"] = room._set
    (said,) = removal.mend(api_of(service))
    assert "bob@example.org from tea@conference.example.org" in said
    assert room.affiliation == "none"
    assert removal.mend(api_of(service)) == []


STUCK = """
import sys
from extauth_http.admin import removal
removal.TRIES, removal.BETWEEN = 1000, 0.05
from extauth_http.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_no_ban_is_left_behind_by_a_program_that_ends_in_the_middle(
    room: Room, service: Service, tmp_path: Path, end: signal.Signals
) -> None:
    """A real process. What is final comes at once, what is polite when the ban is gone."""
    room.affiliation = "member"
    banned, goes_on = threading.Event(), threading.Event()

    def in_the_middle(arguments: dict[str, Any]) -> Any:
        if arguments["affiliation"] == "outcast":
            said = room._set(arguments)
            banned.set()
            return said
        return room._set(arguments) if goes_on.is_set() else Refusal(500, "not now")

    assert isinstance(service.behave, Scripted)
    service.behave.answers["set_room_affiliation/v3"] = in_the_middle
    file = configured(tmp_path, service)
    words = ["--config", file, "room", "remove", str(TEA), str(BOB), "--yes"]
    with subprocess.Popen([sys.executable, "-c", STUCK, *words], stderr=subprocess.PIPE) as process:
        assert banned.wait(20)
        time.sleep(0.1)
        process.send_signal(end)
        if end is signal.SIGKILL:
            process.wait(20)
            assert room.affiliation == "outcast"
        goes_on.set()
        process.wait(20)
    if end is signal.SIGKILL:
        assert main(["--config", file, "room", "mend"]) == 0
    assert room.history[-1] == "member"
    assert list(notes.folder().glob("*.json")) == []


def note(service: Service, **more: str) -> Note:
    url = f"http://127.0.0.1:{service.port}/api"
    fields = {"room": TEA.user, "service": TEA.host, "user": BOB.user, "host": BOB.host}
    return Note(**{"api": url, "affiliation": "member", **fields, **more})


def leave(noted: Note) -> Path:
    with notes.noted(noted) as file:
        return file


def test_a_ban_that_somebody_has_changed_since_is_left_as_it_is(
    room: Room, service: Service
) -> None:
    file = leave(note(service))
    room.affiliation = "admin"
    assert removal.mend(api_of(service)) == []
    assert (room.history, file.exists()) == ([], False)


def test_notes_of_other_servers_and_of_running_programs_are_left_alone(
    room: Room, service: Service
) -> None:
    room.affiliation = "outcast"
    other = leave(note(service, api="http://127.0.0.1:1/api"))
    strange = notes.folder() / "strange.json"
    strange.write_text("{}")
    held = note(service)
    with notes.noted(held) as held_file:
        assert removal.mend(api_of(service)) == []
    assert room.history == []
    assert {other.exists(), strange.exists(), held_file.exists()} == {True}
    assert len(removal.mend(api_of(service))) == 1


def test_a_note_about_a_room_that_is_gone_is_gone_too(service: Service) -> None:
    assert isinstance(service.behave, Scripted)
    refusal = Refusal(400, "The room does not exist.")
    service.behave.answers["get_room_affiliations/v3"] = refusal
    file = leave(note(service))
    assert removal.mend(api_of(service)) == []
    assert not file.exists()


@pytest.mark.parametrize("named", ["", "relative/path"])
def test_a_state_home_that_is_no_absolute_path_is_passed_over(
    named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", named)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert notes.folder() == tmp_path / ".local/state/extauth-http/bans"
    monkeypatch.delenv("HOME")
    assert notes.folder().is_absolute()
    assert os.environ.get("HOME") is None
