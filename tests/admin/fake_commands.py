"""The commands of the fake ejabberd: what ejabberd 23.01, 24.12 and 26.07 were observed to do."""

import contextlib
from dataclasses import dataclass, field
from typing import Any

from tests.admin.fake_stored_data import FakeStoredData
from tests.admin.refused_call import RefusedCallError

SERVICE = "conference.example.org"


@dataclass
class FakeRoom:
    """A room. ``occupants`` maps a full JID to a nick, ``roles`` a full JID to a role."""

    occupants: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    affiliations: dict[str, str] = field(default_factory=dict)
    subscribers: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=lambda: {"persistent": "false", "password": ""})


class FakeCommands(FakeStoredData):
    """The state of the server, and one method for each command."""

    def __init__(self, release: tuple[int, int], status: str | None) -> None:
        super().__init__()
        self.release = release
        self.status = status
        self.users = {"alice@example.org", "bob@example.org", "carol@example.org"}
        self.sessions: dict[str, list[str]] = {}
        self.uptimes: dict[str, int] = {}
        """Seconds by resource; 1 for others. A negative number is a session of the future."""
        self.rooms: dict[str, FakeRoom] = {}
        self.tokens: dict[str, str] = {}
        self.nicks: dict[str, str] = {}
        self.bans: dict[str, str] = {}
        """The reason of each banned user."""
        self.has_mod_private = True

    def _status(self, _: dict[str, Any]) -> str:
        if self.status is None:
            message = "AccessRules: Account does not have the right to perform the operation."
            raise RefusedCallError({"status": "error", "code": 32, "message": message}, 403)
        return self.status

    def _registered_vhosts(self, _: dict[str, Any]) -> list[str]:
        return ["example.org"]

    def _check_account(self, arguments: dict[str, Any]) -> int:
        return 0 if bare_jid(arguments) in self.users else 1

    def _user_sessions_info(self, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "connection": "c2s",
                "ip": "127.0.0.1",
                "port": 44698,
                "priority": 0,
                "node": "x@localhost",
                "uptime": self.uptimes.get(resource, 1),
                "status": "available",
                "resource": resource,
                "statustext": "",
            }
            for resource in self.sessions.get(bare_jid(arguments), [])
        ]

    def _connected_users(self, _: dict[str, Any]) -> list[str]:
        return [f"{jid}/{each}" for jid, resources in self.sessions.items() for each in resources]

    def _kick_user(self, arguments: dict[str, Any]) -> object:
        count = len(self.sessions.pop(bare_jid(arguments), []))
        return f"Kicked sessions: {count}" if self.release >= (24, 6) else {"num_resources": count}

    def _kick_session(self, arguments: dict[str, Any]) -> int:
        with contextlib.suppress(KeyError, ValueError):
            self.sessions[bare_jid(arguments)].remove(arguments["resource"])
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

    def _oauth_revoke_token(self, arguments: dict[str, Any]) -> str:
        self.tokens.pop(arguments["token"], None)
        return ""

    def _ban_account(self, arguments: dict[str, Any]) -> int:
        jid = bare_jid(arguments)
        if not self.has_mod_private or jid not in self.users or jid in self.bans:
            return 1
        self.bans[jid] = arguments["reason"]
        self.sessions.pop(jid, None)
        return 0

    def _unban_account(self, arguments: dict[str, Any]) -> int:
        jid = bare_jid(arguments)
        return 0 if jid in self.users and self.bans.pop(jid, None) is not None else 1

    def _get_ban_details(self, arguments: dict[str, Any]) -> dict[str, str]:
        reason = self.bans.get(bare_jid(arguments))
        date = "2026-11-26T09:00:00.000000Z"
        return {} if reason is None else {"reason": reason, "bandate": date}

    def _list_banned(self, arguments: dict[str, Any]) -> list[str]:
        return [jid for jid in self.bans if jid.endswith(f"@{arguments['host']}")]

    def _muc_online_rooms_by_regex(self, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        if arguments["service"] not in ("global", SERVICE):
            raise RefusedCallError("internal_error", 500)
        return [
            {"jid": jid, "public": "true", "participants": len(room.occupants)}
            for jid, room in self.rooms.items()
        ]

    def _room(self, arguments: dict[str, Any], missing: str) -> FakeRoom:
        if "service" in arguments and arguments["service"] != SERVICE and self.release >= (24, 12):
            raise RefusedCallError("Unknown host passed in 'service'")
        jid = (
            f"{arguments.get('room') or arguments['name']}@{arguments['service']}"
            if "service" in arguments
            else ""
        )
        try:
            return self.rooms[jid or arguments["room"]]
        except KeyError:
            raise RefusedCallError(missing) from None

    def _create_room_with_opts(self, arguments: dict[str, Any]) -> int:
        jid = f"{arguments.get('room') or arguments['name']}@{arguments['service']}"
        if jid in self.rooms:
            raise RefusedCallError("Room already exists")
        room = self.rooms[jid] = FakeRoom()
        known = {
            each["name"]: each["value"] for each in arguments["options"] if each["name"] in OPTIONS
        }
        room.options.update(known)
        return 0

    def _destroy_room(self, arguments: dict[str, Any]) -> int:
        self._room(arguments, "Room doesn't exists")
        del self.rooms[f"{arguments.get('room') or arguments['name']}@{arguments['service']}"]
        return 0

    def _change_room_option(self, arguments: dict[str, Any]) -> int:
        room = self._room(arguments, "Room doesn't exists")
        if arguments["option"] not in OPTIONS:
            raise RefusedCallError("internal_error", 500)
        room.options[arguments["option"]] = arguments["value"]
        return 0

    def _get_room_options(self, arguments: dict[str, Any]) -> dict[str, str]:
        if self.release == (24, 12):
            raise RefusedCallError("400 Bad Request")
        return self._room(arguments, "room_not_found").options

    def _get_room_affiliations(self, arguments: dict[str, Any]) -> list[dict[str, str]]:
        found = self._room(arguments, "The room does not exist.").affiliations
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

    def _get_room_occupants(self, arguments: dict[str, Any]) -> list[dict[str, str]]:
        room = self._room(arguments, "room_not_found")
        return [
            {"jid": jid, "nick": nick, "role": room.roles.get(jid, "participant")}
            for jid, nick in room.occupants.items()
        ]

    def _get_subscribers(self, arguments: dict[str, Any]) -> list[str]:
        return self._room(arguments, "The room does not exist").subscribers

    def _set_room_affiliation(self, arguments: dict[str, Any]) -> int:
        room = self._room(arguments, "Room doesn't exists")
        jid = arguments.get("jid") or bare_jid(arguments)
        room.affiliations.pop(jid, None)
        if arguments["affiliation"] != "none":
            room.affiliations[jid] = arguments["affiliation"]
        if arguments["affiliation"] == "outcast":
            left = [each for each in room.occupants if each.startswith(f"{jid}/")]
            for each in left:
                del room.occupants[each]
        return 0

    def _unsubscribe_room(self, arguments: dict[str, Any]) -> int:
        room = self._room(arguments, "Room doesn't exists")
        room.subscribers.remove(bare_jid(arguments) if "host" in arguments else arguments["user"])
        return 0

    def _send_direct_invitation(self, arguments: dict[str, Any]) -> int:
        is_text = self.release < (24, 2)
        if isinstance(arguments["users"], str) is not is_text:
            raise RefusedCallError("Parameter users is not in format")
        return 0

    def _muc_get_registered_nick(self, arguments: dict[str, Any]) -> str:
        return self.nicks.get(bare_jid(arguments), "")

    def _muc_unregister_nick(self, arguments: dict[str, Any]) -> int:
        if arguments["service"] != SERVICE:
            raise RefusedCallError("Invalid 'service'")
        self.nicks.pop(arguments["jid"], None)
        return 0


def bare_jid(arguments: dict[str, Any]) -> str:
    return f"{arguments['user']}@{arguments['host']}"


OPTIONS = frozenset({"persistent", "members_only", "title", "password", "password_protected"})
