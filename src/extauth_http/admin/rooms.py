"""Rooms: read from the server, and changed in one call each.

``room_creation.py`` creates rooms, ``room_removal.py`` removes users from them.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError, unexpected_result
from extauth_http.ejabberd_api.masking import mask_arguments
from extauth_http.ejabberd_api.polling import wait_until
from extauth_http.protocol.jid import Jid, bare

DESTROY_TIMEOUT = 2.0  # seconds in which a destroyed room must be gone
POLL_INTERVAL = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class Occupant:
    """A full JID in a room, with its nick and its role (XEP-0045 section 5.1)."""

    jid: str
    nick: str
    role: str


@dataclass(frozen=True, slots=True)
class Affiliation:
    """A bare JID with its affiliation (XEP-0045 section 5.2) and the reason for it."""

    jid: str
    affiliation: str
    reason: str


@dataclass(frozen=True, slots=True)
class Room:
    """The state of a room. ``options`` is None if the server does not return them."""

    jid: Jid
    occupants: list[Occupant]
    affiliations: list[Affiliation]
    subscribers: list[str]
    options: dict[str, str] | None

    @property
    def shown_options(self) -> dict[str, str] | None:
        """The options with the password masked."""
        return None if self.options is None else mask_arguments(self.options)

    def occupants_of(self, jid: Jid) -> list[Occupant]:
        return [occupant for occupant in self.occupants if bare(occupant.jid) == str(jid)]

    def affiliation_of(self, jid: Jid) -> str:
        return next(
            (each.affiliation for each in self.affiliations if each.jid == str(jid)), "none"
        )


class RoomNotFoundError(Exception):
    """The room does not exist, or its service is not a MUC service."""


class RoomMismatchError(Exception):
    """The room is not as the command needs it. The message describes its state."""


def list_rooms(api: ApiClient, service: str) -> list[tuple[str, int]]:
    """The JIDs of the rooms of a service, or of all services (``global``), each with its number of
    occupants.

    A hibernating room is not included; each command that names it wakes it. Raises ApiError and
    RoomNotFoundError.
    """
    try:
        found = api.query_list(
            "muc_online_rooms_by_regex",
            lambda each: (str(each["jid"]), int(each["participants"])),
            service=service,
            regex=".*",
        )
    except ApiError as error:
        if error.is_refused and is_about_service(error):
            raise service_not_found(service) from None
        raise
    return sorted(found)


def read_room(api: ApiClient, jid: Jid) -> Room:
    """The state of a room. Raises RoomNotFoundError and ApiError."""
    place = {"room": jid.user, "service": jid.host}
    with _room_must_exist(jid):
        affiliations = api.query_list("get_room_affiliations", _affiliation, **place)
        occupants = api.query_list("get_room_occupants", _occupant, **place)
        subscribers = api.query_list("get_subscribers", str, **place)
    return Room(jid, occupants, affiliations, subscribers, _options(api, jid))


def read_affiliations(api: ApiClient, jid: Jid) -> dict[str, str]:
    """The affiliation of each bare JID with a room. Raises RoomNotFoundError and ApiError."""
    place = {"room": jid.user, "service": jid.host}
    with _room_must_exist(jid):
        found = api.query_list("get_room_affiliations", _affiliation, **place)
    return {each.jid: each.affiliation for each in found}


@contextmanager
def _room_must_exist(jid: Jid) -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        if error.is_refused and _NO_ROOM.search(error.message):
            raise RoomNotFoundError(
                f"there is no room {jid} ({error.message}); `extauth-http room list` shows the "
                "rooms that are online"
            ) from None
        raise


def _options(api: ApiClient, jid: Jid) -> dict[str, str] | None:
    try:
        result = api.query("get_room_options", room=jid.user, service=jid.host)
    except ApiError as error:
        # ejabberd 24.12 answers "400 Bad Request" for every room.
        if error.is_refused:
            return None
        raise
    try:
        return dict(sorted(_pairs(result)))
    except (KeyError, TypeError):
        raise unexpected_result("get_room_options") from None


def host_of(service: str, hosts: list[str]) -> str:
    """The virtual host of a service, which ejabberd names HOST's subdomain; empty if unknown."""
    matching = [host for host in hosts if service.endswith(f".{host}")]
    return max(matching, key=len, default=hosts[0] if len(hosts) == 1 else "")


def invite(api: ApiClient, room: Jid, jid: Jid, reason: str, password: str) -> None:
    """Sends a direct invitation (XEP-0249) from the room. Raises ApiError."""
    api.change(
        "send_direct_invitation",
        room=room.user,
        service=room.host,
        password=password,
        reason=reason,
        users=[str(jid)],
    )


def set_affiliation(api: ApiClient, room: Jid, jid: Jid, affiliation: str) -> None:
    """Raises ApiError."""
    api.change(
        "set_room_affiliation",
        room=room.user,
        service=room.host,
        user=jid.user,
        host=jid.host,
        affiliation=affiliation,
    )


def set_option(api: ApiClient, room: Jid, name: str, value: str) -> None:
    """Raises ApiError."""
    api.change("change_room_option", room=room.user, service=room.host, option=name, value=value)


def registered_nick(api: ApiClient, jid: Jid, service: str) -> str | None:
    """The nick that a user has registered at a service; empty if there is none, None if the server
    does not return it. Raises ApiError."""
    if not api.has_command("muc_get_registered_nick"):
        return None
    try:
        nick = api.query("muc_get_registered_nick", user=jid.user, host=jid.host, service=service)
    except ApiError as error:
        # The release is unknown and has no such command, or there is no such service.
        if error.is_refused:
            return None
        raise
    if not isinstance(nick, str):
        raise unexpected_result("muc_get_registered_nick")
    return nick


def unregister_nick(api: ApiClient, jid: Jid, service: str) -> None:
    """Raises ApiError and RoomNotFoundError."""
    try:
        api.change("muc_unregister_nick", user=jid.user, host=jid.host, service=service)
    except ApiError as error:
        if error.is_refused and is_about_service(error):
            raise service_not_found(service) from None
        raise


def notify(api: ApiClient, room: Jid, occupants: list[Occupant], text: str) -> None:
    """Sends a message from the room to each of these occupants, who see it in the room (XEP-0045
    section 7.4). Raises ApiError."""
    for occupant in occupants:
        api.change(
            "send_message",
            type="groupchat",
            **{"from": str(room), "to": occupant.jid},
            subject="",
            body=text,
        )


def destroy(api: ApiClient, room: Jid) -> None:
    """Raises ApiError."""
    api.change("destroy_room", room=room.user, service=room.host)


def is_gone(api: ApiClient, room: Jid) -> bool:
    """Whether a destroyed room is gone. A room that is ending answers with an internal error, so
    it is polled until it has ended. Raises ApiError."""

    def has_ended() -> bool:
        try:
            read_room(api, room)
        except RoomNotFoundError:
            return True
        except ApiError as error:
            if not error.is_refused:
                raise
        return False

    return wait_until(has_ended, interval=POLL_INTERVAL, timeout=DESTROY_TIMEOUT)


def service_not_found(service: str) -> RoomNotFoundError:
    return RoomNotFoundError(f"{service} is not a MUC service of this server")


def is_about_service(error: ApiError) -> bool:
    """Whether ejabberd refused a call because it does not know the MUC service."""
    if error.command == "muc_online_rooms_by_regex":
        return error.status in (400, 500)
    return "'service'" in error.message or "serverhost" in error.message


_NO_ROOM = re.compile("room does not exist|room_not_found|'service'", re.IGNORECASE)
"""What ejabberd answers if the room or the service does not exist. Other errors do not say whether
it exists."""


def _affiliation(item: Mapping[str, str]) -> Affiliation:
    jid = item["jid"] if "jid" in item else f"{item['username']}@{item['domain']}".lstrip("@")
    return Affiliation(str(jid), str(item["affiliation"]), str(item["reason"]))


def _occupant(item: Mapping[str, str]) -> Occupant:
    return Occupant(str(item["jid"]), str(item["nick"]), str(item["role"]))


def _pairs(options: Any) -> list[tuple[str, str]]:
    """Room options from a list of names and values, or from an object. Raises KeyError and
    TypeError."""
    if isinstance(options, dict):
        return [(name, str(value)) for name, value in options.items()]
    return [(str(each["name"]), str(each["value"])) for each in options]
