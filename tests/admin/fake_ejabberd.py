"""A fake ``mod_http_api`` on a real socket.

It answers as ejabberd 23.01, 24.12 and 26.07 were observed to answer, and a test can replace what
happens to a call. The tests in ``tests/e2e`` show that ejabberd answers the same.
"""

import contextlib
import json
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from tests.admin.fake_commands import FakeCommands
from tests.admin.refused_call import RefusedCallError
from tests.integration.service import Request, Service, http

STATUS = {
    "23.01": "Status: startedejabberd 23.01-1 is running in that node",
    "24.12": "Status: started\nejabberd 24.12-3+deb13u2 is running in that node",
    "26.07": "Status: started\nejabberd 26.07 is running in that node",
}
RELEASES = tuple(STATUS)

QUERIES = frozenset(
    {
        *("status", "registered_vhosts", "check_account", "user_sessions_info"),
        *("oauth_list_tokens", "muc_online_rooms_by_regex", "muc_get_registered_nick"),
        *("get_ban_details", "list_banned", "connected_users"),
        *("get_offline_count", "get_mam_count", "get_last", "get_roster", "get_vcard"),
        *("private_get", "srg_list", "srg_get_members"),
        *("get_room_options", "get_room_affiliations", "get_room_occupants", "get_subscribers"),
    }
)
ADDED = {
    "get_mam_count": (24, 10),
    # Older releases have the first two, but their bans change the password at the service.
    **dict.fromkeys(("ban_account", "unban_account", "get_ban_details"), (25, 8)),
    "list_banned": (25, 10),
    "muc_get_registered_nick": (25, 10),
}
"""The first release with each command that is not in all of them."""

USER, ROOM = {"user", "host"}, {"room", "service"}
ARGUMENTS: dict[str, set[str]] = {
    "status": set(),
    "registered_vhosts": set(),
    "check_account": USER,
    "user_sessions_info": USER,
    "kick_user": USER,
    "kick_session": {*USER, "resource", "reason"},
    "send_message": {"type", "from", "to", "subject", "body"},
    "send_stanza": {"from", "to", "stanza"},
    "connected_users": set(),
    "get_offline_count": USER,
    "get_mam_count": USER,
    "get_last": USER,
    "get_roster": USER,
    "get_vcard": {*USER, "name"},
    "private_get": {*USER, "element", "ns"},
    "srg_list": {"host"},
    "srg_get_members": {"group", "host"},
    "srg_user_del": {*USER, "group", "grouphost"},
    "unregister": USER,
    "ban_account": {*USER, "reason"},
    "unban_account": USER,
    "get_ban_details": USER,
    "list_banned": {"host"},
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


@dataclass
class Call:
    """A request: its path below ``/api/``, its arguments, and its headers."""

    path: str
    arguments: dict[str, Any]
    headers: dict[str, str] = field(repr=False)

    @property
    def command(self) -> str:
        return self.path.partition("/")[0]


CallHandler = Callable[["FakeEjabberd", Call, socket.socket], None]
"""What happens to a call instead of its execution and its answer."""


class FakeEjabberd(FakeCommands):
    """Runs in a ``with`` block. ``release`` decides the forms of its commands. ``status`` is the
    result of ``status``: "" for that of the release, None to refuse it."""

    def __init__(
        self,
        release: str = "26.07",
        *,
        status: str | None = "",
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        year, month = release.split(".")
        usual = STATUS.get(release, f"Status: started\nejabberd {release} is running in that node")
        if status == "":
            status = f"The node n@h is started. {usual}"
        super().__init__((int(year), int(month)), status)
        self.calls: list[Call] = []
        self.executed: list[Call] = []
        self._scripts: dict[str, list[CallHandler]] = {}
        self.service = Service(self._behave, tls, port)
        self.url = f"{self.service.url.removesuffix('/x')}/api"

    def __enter__(self) -> Self:
        self.service.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.service.__exit__()

    def script(self, command: str, *handlers: CallHandler) -> None:
        """The handlers of the next calls of a command."""
        self._scripts.setdefault(command, []).extend(handlers)

    def called(self, *commands: str) -> list[Call]:
        return [call for call in self.calls if call.command in commands]

    @property
    def changes(self) -> list[str]:
        """The received calls of commands that change something."""
        return [call.command for call in self.calls if call.command not in QUERIES]

    def answer(self, call: Call) -> bytes:
        """Executes a call and returns the bytes of the answer."""
        try:
            self._require_form(call)
            self.executed.append(call)
            value = getattr(self, f"_{call.command}")(call.arguments)
        except RefusedCallError as refused:
            return refused.answer
        return http(200, json.dumps(value), "Content-Type: application/json")

    def _behave(self, request: Request, connection: socket.socket) -> None:
        path = request.target.removeprefix("/api/")
        if path == request.target:
            page = http(404, "<html><h1>Not Found</h1></html>", "Content-Type: text/html")
            connection.sendall(page)
            return
        call = Call(path, json.loads(request.body), request.headers)
        self.calls.append(call)
        handlers = self._scripts.get(call.command)
        if handlers:
            handlers.pop(0)(self, call, connection)
        else:
            connection.sendall(self.answer(call))

    def _require_form(self, call: Call) -> None:
        if "/" in call.path and self.release < (24, 2):
            raise RefusedCallError(
                {"status": "error", "code": 40, "message": "Missing command name."}
            )
        names = self._argument_names(call.command)
        if names is None or not hasattr(self, f"_{call.command}"):
            error = {"status": "error", "code": 40, "message": "Endpoint not found."}
            raise RefusedCallError(error, 404)
        for name in names - call.arguments.keys():
            raise RefusedCallError(f"Request have missing argument: {name}")
        if more := call.arguments.keys() - names:
            raise RefusedCallError(f"Request have unknown arguments: [{','.join(more)}]")

    def _argument_names(self, command: str) -> set[str] | None:
        is_new = self.release >= (24, 12)
        room = "room" if is_new else "name"
        if command == "set_room_affiliation":
            user = {"user", "host"} if is_new else {"jid"}
            return {room, "service", "affiliation", *user}
        if command == "unsubscribe_room":
            return {"user", "host", "room", "service"} if is_new else {"user", "room"}
        if self.release < ADDED.get(command, (0, 0)):
            return None
        names = ARGUMENTS.get(command)
        return None if names is None else {room if each == "room" else each for each in names}


def respond(status: int, value: object) -> CallHandler:
    """The call is not executed; the answer has this status and this JSON value."""
    return send_bytes(http(status, json.dumps(value), "Content-Type: application/json"))


def send_bytes(answer: bytes) -> CallHandler:
    """The call is not executed; these bytes are the answer."""
    return lambda _, __, connection: connection.sendall(answer)


def drop_response(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
    """The call is executed, and the connection ends without an answer."""
    fake.answer(call)
    connection.shutdown(socket.SHUT_RDWR)


def stop_server(fake: FakeEjabberd, _: Call, connection: socket.socket) -> None:
    """The call is not executed, and the server stops."""
    fake.service.__exit__()
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def execute(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
    """The call is executed and answered."""
    connection.sendall(fake.answer(call))
