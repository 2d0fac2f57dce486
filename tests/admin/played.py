"""``mod_http_api`` played on a real socket: what ejabberd 23.01, 24.12 and 26.07 were seen to
answer, a little of what they then do, and whatever else a test lets happen to a call.

Not ejabberd: the tests in ``tests/e2e`` show that these answers are its own.
"""

import contextlib
import json
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from tests.integration.service import Request, Service, http

SERVICE = "conference.example.org"
STATUS = {
    "23.01": "Status: startedejabberd 23.01-1 is running in that node",
    "24.12": "Status: started\nejabberd 24.12-3+deb13u2 is running in that node",
    "26.07": "Status: started\nejabberd 26.07 is running in that node",
}
RELEASES = tuple(STATUS)


@dataclass
class Call:
    """A request: its path below ``/api/``, what it holds, and the headers it came with."""

    path: str
    arguments: dict[str, Any]
    headers: dict[str, str] = field(repr=False)

    @property
    def command(self) -> str:
        return self.path.partition("/")[0]


@dataclass
class PlayedRoom:
    """A room. Occupants are pairs of a full JID and a nick, the role by the JID."""

    occupants: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    affiliations: dict[str, str] = field(default_factory=dict)
    subscribers: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=lambda: {"persistent": "false", "password": ""})


Scripted = Callable[["Played", Call, socket.socket], None]
"""What a call meets instead of being done and answered."""


class Refused(Exception):  # noqa: N818 - it is the server's own answer
    """An answer with another status than 200."""

    def __init__(self, said: object, status: int = 400) -> None:
        self.answer = http(status, json.dumps(said), "Content-Type: application/json")


class Played:
    """Runs until the ``with`` ends. ``release`` is what its language is; ``status`` what it says of
    that, None where it refuses to."""

    def __init__(
        self,
        release: str = "26.07",
        *,
        status: str | None = "",
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        year, month = release.split(".")
        self.release = (int(year), int(month))
        said = STATUS.get(release, f"Status: started\nejabberd {release} is running in that node")
        self.status = f"The node n@h is started. {said}" if status == "" else status
        self.calls: list[Call] = []
        self.done: list[Call] = []
        self.users = {"alice@example.org", "bob@example.org", "carol@example.org"}
        self.sessions: dict[str, list[str]] = {}
        self.rooms: dict[str, PlayedRoom] = {}
        self.tokens: dict[str, str] = {}
        self.nicks: dict[str, str] = {}
        self._scripts: dict[str, list[Scripted]] = {}
        self.service = Service(self._behave, tls, port)
        self.url = f"{self.service.url.removesuffix('/x')}/api"

    def __enter__(self) -> Self:
        self.service.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.service.__exit__()

    def meets(self, command: str, *scripts: Scripted) -> None:
        """What the next calls of a command meet, one after the other."""
        self._scripts.setdefault(command, []).extend(scripts)

    def called(self, *commands: str) -> list[Call]:
        return [call for call in self.calls if call.command in commands]

    @property
    def changes(self) -> list[str]:
        """The calls of commands that change something, as they came in."""
        return [call.command for call in self.calls if call.command not in LOOKS]

    def answer(self, call: Call) -> bytes:
        """Does what a call wants and gives the bytes of the answer."""
        try:
            self._must_fit(call)
            self.done.append(call)
            said = getattr(self, f"_{call.command}")(call.arguments)
        except Refused as refused:
            return refused.answer
        return http(200, json.dumps(said), "Content-Type: application/json")

    def _behave(self, request: Request, connection: socket.socket) -> None:
        path = request.target.removeprefix("/api/")
        if path == request.target:
            page = http(404, "<html><h1>Not Found</h1></html>", "Content-Type: text/html")
            connection.sendall(page)
            return
        call = Call(path, json.loads(request.body), request.headers)
        self.calls.append(call)
        scripts = self._scripts.get(call.command)
        if scripts:
            scripts.pop(0)(self, call, connection)
        else:
            connection.sendall(self.answer(call))

    def _must_fit(self, call: Call) -> None:
        if "/" in call.path and self.release < (24, 2):
            raise Refused({"status": "error", "code": 40, "message": "Missing command name."})
        wanted = self._wanted(call.command)
        if wanted is None or not hasattr(self, f"_{call.command}"):
            raise Refused({"status": "error", "code": 40, "message": "Endpoint not found."}, 404)
        for name in wanted - call.arguments.keys():
            raise Refused(f"Request have missing argument: {name}")
        if more := call.arguments.keys() - wanted:
            raise Refused(f"Request have unknown arguments: [{','.join(more)}]")

    def _wanted(self, command: str) -> set[str] | None:
        is_new = self.release >= (24, 12)
        room = "room" if is_new else "name"
        if command == "set_room_affiliation":
            who = {"user", "host"} if is_new else {"jid"}
            return {room, "service", "affiliation", *who}
        if command == "unsubscribe_room":
            return {"user", "host", "room", "service"} if is_new else {"user", "room"}
        if command == "muc_get_registered_nick" and self.release < (25, 10):
            return None
        wanted = WANTED.get(command)
        return None if wanted is None else {room if each == "room" else each for each in wanted}

    def _status(self, _: dict[str, Any]) -> str:
        if self.status is None:
            message = "AccessRules: Account does not have the right to perform the operation."
            raise Refused({"status": "error", "code": 32, "message": message}, 403)
        return self.status

    def _registered_vhosts(self, _: dict[str, Any]) -> list[str]:
        return ["example.org"]

    def _check_account(self, said: dict[str, Any]) -> int:
        return 0 if _who(said) in self.users else 1

    def _user_sessions_info(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "connection": "c2s",
                "ip": "127.0.0.1",
                "port": 44698,
                "priority": 0,
                "node": "x@localhost",
                "uptime": 1,
                "status": "available",
                "resource": resource,
                "statustext": "",
            }
            for resource in self.sessions.get(_who(said), [])
        ]

    def _kick_user(self, said: dict[str, Any]) -> object:
        count = len(self.sessions.pop(_who(said), []))
        return f"Kicked sessions: {count}" if self.release >= (24, 6) else {"num_resources": count}

    def _kick_session(self, said: dict[str, Any]) -> int:
        with contextlib.suppress(KeyError, ValueError):
            self.sessions[_who(said)].remove(said["resource"])
        return 0

    def _send_message(self, _: dict[str, Any]) -> int:
        return 0

    def _send_stanza(self, _: dict[str, Any]) -> int:
        return 0

    def _clear_cache(self, _: dict[str, Any]) -> int:
        return 0

    def _oauth_list_tokens(self, _: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"token": token, "user": user, "scope": "x", "expires_in": "9 seconds"}
            for token, user in self.tokens.items()
        ]

    def _oauth_revoke_token(self, said: dict[str, Any]) -> str:
        self.tokens.pop(said["token"], None)
        return ""

    def _muc_online_rooms_by_regex(self, said: dict[str, Any]) -> list[dict[str, Any]]:
        if said["service"] not in ("global", SERVICE):
            raise Refused("internal_error", 500)
        return [
            {"jid": jid, "public": "true", "participants": len(room.occupants)}
            for jid, room in self.rooms.items()
        ]

    def _room(self, said: dict[str, Any], missing: str) -> PlayedRoom:
        if "service" in said and said["service"] != SERVICE and self.release >= (24, 12):
            raise Refused("Unknown host passed in 'service'")
        jid = f"{said.get('room') or said['name']}@{said['service']}" if "service" in said else ""
        try:
            return self.rooms[jid or said["room"]]
        except KeyError:
            raise Refused(missing) from None

    def _create_room_with_opts(self, said: dict[str, Any]) -> int:
        jid = f"{said.get('room') or said['name']}@{said['service']}"
        if jid in self.rooms:
            raise Refused("Room already exists")
        room = self.rooms[jid] = PlayedRoom()
        known = {each["name"]: each["value"] for each in said["options"] if each["name"] in OPTIONS}
        room.options.update(known)
        return 0

    def _destroy_room(self, said: dict[str, Any]) -> int:
        self._room(said, "Room doesn't exists")
        del self.rooms[f"{said.get('room') or said['name']}@{said['service']}"]
        return 0

    def _change_room_option(self, said: dict[str, Any]) -> int:
        room = self._room(said, "Room doesn't exists")
        if said["option"] not in OPTIONS:
            raise Refused("internal_error", 500)
        room.options[said["option"]] = said["value"]
        return 0

    def _get_room_options(self, said: dict[str, Any]) -> dict[str, str]:
        if self.release == (24, 12):
            raise Refused("400 Bad Request")
        return self._room(said, "room_not_found").options

    def _get_room_affiliations(self, said: dict[str, Any]) -> list[dict[str, str]]:
        found = self._room(said, "The room does not exist.").affiliations
        if self.release >= (24, 12):
            return [{"jid": jid, "affiliation": it, "reason": ""} for jid, it in found.items()]
        return [
            {
                "username": jid.split("@")[0],
                "domain": jid.split("@")[1],
                "affiliation": it,
                "reason": "",
            }
            for jid, it in found.items()
        ]

    def _get_room_occupants(self, said: dict[str, Any]) -> list[dict[str, str]]:
        room = self._room(said, "room_not_found")
        return [
            {"jid": jid, "nick": nick, "role": room.roles.get(jid, "participant")}
            for jid, nick in room.occupants.items()
        ]

    def _get_subscribers(self, said: dict[str, Any]) -> list[str]:
        return self._room(said, "The room does not exist").subscribers

    def _set_room_affiliation(self, said: dict[str, Any]) -> int:
        room = self._room(said, "Room doesn't exists")
        who = said.get("jid") or _who(said)
        room.affiliations.pop(who, None)
        if said["affiliation"] != "none":
            room.affiliations[who] = said["affiliation"]
        if said["affiliation"] == "outcast":
            out = [jid for jid in room.occupants if jid.startswith(f"{who}/")]
            for jid in out:
                del room.occupants[jid]
        return 0

    def _unsubscribe_room(self, said: dict[str, Any]) -> int:
        room = self._room(said, "Room doesn't exists")
        room.subscribers.remove(_who(said) if "host" in said else said["user"])
        return 0

    def _send_direct_invitation(self, said: dict[str, Any]) -> int:
        is_text = self.release < (24, 2)
        if isinstance(said["users"], str) is not is_text:
            raise Refused("Parameter users is not in format")
        return 0

    def _muc_get_registered_nick(self, said: dict[str, Any]) -> str:
        return self.nicks.get(_who(said), "")

    def _muc_unregister_nick(self, said: dict[str, Any]) -> int:
        if said["service"] != SERVICE:
            raise Refused("Invalid 'service'")
        self.nicks.pop(said["jid"], None)
        return 0


LOOKS = frozenset(
    {
        *("status", "registered_vhosts", "check_account", "user_sessions_info"),
        *("oauth_list_tokens", "muc_online_rooms_by_regex", "muc_get_registered_nick"),
        *("get_room_options", "get_room_affiliations", "get_room_occupants", "get_subscribers"),
    }
)
OPTIONS = frozenset({"persistent", "members_only", "title", "password", "password_protected"})
USER, ROOM = {"user", "host"}, {"room", "service"}
WANTED: dict[str, set[str]] = {
    "status": set(),
    "registered_vhosts": set(),
    "check_account": USER,
    "user_sessions_info": USER,
    "kick_user": USER,
    "kick_session": {*USER, "resource", "reason"},
    "send_message": {"type", "from", "to", "subject", "body"},
    "send_stanza": {"from", "to", "stanza"},
    "clear_cache": set(),
    "oauth_list_tokens": set(),
    "oauth_revoke_token": {"token"},
    "muc_online_rooms_by_regex": {"service", "regex"},
    "create_room_with_opts": {*ROOM, "host", "options"},
    "destroy_room": ROOM,
    "change_room_option": {*ROOM, "option", "value"},
    "get_room_options": ROOM,
    "get_room_affiliations": ROOM,
    "get_room_occupants": ROOM,
    "get_subscribers": ROOM,
    "send_direct_invitation": {*ROOM, "password", "reason", "users"},
    "muc_unregister_nick": {"jid", "service"},
    "muc_get_registered_nick": {*USER, "service"},
}


def _who(said: dict[str, Any]) -> str:
    return f"{said['user']}@{said['host']}"


def says(status: int, said: object) -> Scripted:
    """Nothing is done, and this is the answer, as JSON."""
    return raw(http(status, json.dumps(said), "Content-Type: application/json"))


def raw(answer: bytes) -> Scripted:
    """Nothing is done, and these bytes are the answer."""
    return lambda _, __, connection: connection.sendall(answer)


def lost(played: Played, call: Call, connection: socket.socket) -> None:
    """It is done, and the connection ends without an answer."""
    played.answer(call)
    connection.shutdown(socket.SHUT_RDWR)


def gone(played: Played, _: Call, connection: socket.socket) -> None:
    """Nothing is done, and from now on nothing listens."""
    played.service.__exit__()
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def usual(played: Played, call: Call, connection: socket.socket) -> None:
    """It is done and answered."""
    connection.sendall(played.answer(call))
