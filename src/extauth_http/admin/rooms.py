"""Rooms: made, shown, opened to somebody, ended. ``removal.py`` takes people out of them."""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError, unexpected_result
from extauth_http.ejabberd_api.masking import mask_arguments
from extauth_http.protocol.jid import Jid, bare

ENDED = 2.0  # seconds until a room that ends must have ended
TRUE_OR_FALSE = frozenset(
    {
        *("allow_change_subj", "allow_private_messages", "allow_query_users", "allow_subscription"),
        *("allow_user_invites", "allow_visitor_nickchange", "allow_visitor_status"),
        *("allow_voice_requests", "anonymous", "captcha_protected", "enable_hats", "logging"),
        *("mam", "members_by_default", "members_only", "moderated", "password_protected"),
        *("persistent", "public", "public_list"),
    }
)
"""Options for which ejabberd 23.01 and 24.12 take any word. A room with one that is neither ends in
a crash when the first one comes in."""


@dataclass(frozen=True, slots=True)
class Occupant:
    """Somebody in a room: a full JID, a nick, and a role (XEP-0045 section 5.1)."""

    jid: str
    nick: str
    role: str


@dataclass(frozen=True, slots=True)
class Affiliation:
    """A bare JID's lasting place in a room, by the names of XEP-0045 section 5.2."""

    jid: str
    affiliation: str
    reason: str


@dataclass(frozen=True, slots=True)
class Room:
    """What there is to know about a room; ``options`` is None where the server does not tell."""

    room: Jid
    occupants: list[Occupant]
    affiliations: list[Affiliation]
    subscribers: list[str]
    options: dict[str, str] | None

    @property
    def shown_options(self) -> dict[str, str] | None:
        """The options, the room's password masked."""
        return None if self.options is None else mask_arguments(self.options)

    def occupants_of(self, jid: Jid) -> list[Occupant]:
        return [occupant for occupant in self.occupants if bare(occupant.jid) == str(jid)]

    def affiliation_of(self, jid: Jid) -> str:
        return next(
            (each.affiliation for each in self.affiliations if each.jid == str(jid)), "none"
        )


class RoomNotFoundError(Exception):
    """The room is not there, or its service is none."""


class RoomMismatchError(Exception):
    """What was asked for cannot be done to this room; what there is of it all the same is said."""


def online(api: ApiClient, service: str) -> list[tuple[str, int]]:
    """The rooms of a service, or of all with ``global``, each with its number of occupants. One
    that hibernates is not among them, and wakes up for each command that names it."""
    try:
        found = api.query_list(
            "muc_online_rooms_by_regex",
            lambda each: (str(each["jid"]), int(each["participants"])),
            service=service,
            regex=".*",
        )
    except ApiError as error:
        if error.is_refused and _is_about_service(error):
            raise RoomNotFoundError(f"{service} is no MUC service of this server") from None
        raise
    return sorted(found)


def look(api: ApiClient, room: Jid) -> Room:
    """Raises NoSuchRoom, and ApiError."""
    place = {"room": room.user, "service": room.host}
    try:
        affiliations = api.query_list("get_room_affiliations", _affiliation, **place)
        occupants = api.query_list("get_room_occupants", _occupant, **place)
        subscribers = api.query_list("get_subscribers", str, **place)
    except ApiError as error:
        if error.is_refused and _NO_ROOM.search(error.message):
            raise RoomNotFoundError(
                f"there is no room {room}: {error.message}; `extauth-http room list` shows those "
                "that are online"
            ) from None
        raise
    return Room(room, occupants, affiliations, subscribers, _options(api, room))


def _options(api: ApiClient, room: Jid) -> dict[str, str] | None:
    try:
        said = api.query("get_room_options", room=room.user, service=room.host)
    except ApiError as error:
        # ejabberd 24.12 answers "400 Bad Request" for every room.
        if error.is_refused:
            return None
        raise
    try:
        return dict(sorted(_pairs(said)))
    except (KeyError, TypeError):
        raise unexpected_result("get_room_options") from None


def is_gone(api: ApiClient, room: Jid) -> bool:
    """Whether a room is not there any more. One that is just ending answers with an error of its
    own, and is looked at until it has ended."""
    end = time.monotonic() + ENDED
    while True:
        try:
            look(api, room)
        except RoomNotFoundError:
            return True
        except ApiError as error:
            if not error.is_refused:
                raise
        if time.monotonic() >= end:
            return False
        time.sleep(0.05)


def create(api: ApiClient, room: Jid, host: str, options: Mapping[str, str]) -> Room | None:
    """Makes a room with these options, or none at all; None on a dry run.

    ejabberd makes a room also where it does not know an option, or reads another value into it: so
    the room is looked at, and taken away again where it is not the one that was asked for. Where
    the options are not told, each is set once more: that is refused where it is not known.
    """
    slips = [
        name for name in TRUE_OR_FALSE & options.keys() if options[name] not in ("true", "false")
    ]
    if slips:
        raise RoomMismatchError(
            f"{room} was not made: {', '.join(sorted(slips))}: expected true or false"
        )
    try:
        api.change(
            "create_room_with_opts",
            room=room.user,
            service=room.host,
            host=host,
            options=[{"name": name, "value": value} for name, value in options.items()],
        )
    except ApiError as error:
        if not error.is_refused or error.status not in (400, 500):
            raise
        if _is_about_service(error):
            raise RoomNotFoundError(f"{room.host} is no MUC service of this server") from None
        if error.status == 500 and options:
            raise _unlike(room, options) from None
        raise
    if api.is_dry_run:
        return None
    try:
        made = look(api, room)
        _must_be(api, made, options)
    except RoomMismatchError as why:
        try:
            destroy(api, room)
        except ApiError as error:
            raise RoomMismatchError(
                f"{why}; and it could not be taken away again: {error}"
            ) from None
        raise
    except (ApiError, RoomNotFoundError) as error:
        raise RoomMismatchError(
            f"{room} was made, but whether it is as it was asked for is not known: {error}"
        ) from None
    return made


def _must_be(api: ApiClient, made: Room, options: Mapping[str, str]) -> None:
    """Raises Unsuitable where a room does not have these options."""
    if made.options is None:
        for name, value in options.items():
            try:
                change_option(api, made.room, name, value)
            except ApiError as error:
                if not error.is_refused:
                    raise
                raise _unlike(made.room, [name]) from None
        return
    wrong = [name for name, value in options.items() if made.options.get(name) != value]
    unknown = [name for name in wrong if name not in made.options]
    if unknown:
        raise RoomMismatchError(
            f"{made.room} was not made: this ejabberd does not know {', '.join(unknown)}; it knows "
            f"{', '.join(made.options)}"
        )
    if wrong:
        raise RoomMismatchError(
            f"{made.room} was not made: ejabberd would make of it "
            f"{', '.join(f'{name}={mask_arguments(made.options)[name]}' for name in wrong)}"
        )


def _unlike(room: Jid, options: Iterable[str]) -> RoomMismatchError:
    return RoomMismatchError(
        f"{room} was not made: of {', '.join(options)}, ejabberd does not know one or its value"
    )


def change_option(api: ApiClient, room: Jid, name: str, value: str) -> None:
    api.change("change_room_option", room=room.user, service=room.host, option=name, value=value)


def host_of(service: str, served: list[str]) -> str:
    """The virtual host that a service belongs to: by ejabberd's rule it is named below it."""
    fitting = [host for host in served if service.endswith(f".{host}")]
    return max(fitting, key=len, default=served[0] if len(served) == 1 else "")


def invite(api: ApiClient, room: Jid, jids: list[Jid], reason: str, password: str) -> None:
    """A direct invitation (XEP-0249) from the room to each."""
    api.change(
        "send_direct_invitation",
        room=room.user,
        service=room.host,
        password=password,
        reason=reason,
        users=[str(jid) for jid in jids],
    )


def make_member(api: ApiClient, room: Jid, jid: Jid) -> None:
    set_affiliation(api, room, jid, "member")


def set_affiliation(api: ApiClient, room: Jid, jid: Jid, affiliation: str) -> None:
    api.change(
        "set_room_affiliation",
        room=room.user,
        service=room.host,
        user=jid.user,
        host=jid.host,
        affiliation=affiliation,
    )


def registered_nick(api: ApiClient, jid: Jid, service: str) -> str | None:
    """The nick that a user has registered at a service, None where the server does not tell."""
    if not api.has_command("muc_get_registered_nick"):
        return None
    try:
        said = api.query("muc_get_registered_nick", user=jid.user, host=jid.host, service=service)
    except ApiError as error:
        # Of a server that does not tell its release, or of no MUC service.
        if error.is_refused:
            return None
        raise
    if not isinstance(said, str):
        raise unexpected_result("muc_get_registered_nick")
    return said


def unregister_nick(api: ApiClient, jid: Jid, service: str) -> None:
    try:
        api.change("muc_unregister_nick", user=jid.user, host=jid.host, service=service)
    except ApiError as error:
        if error.is_refused and _is_about_service(error):
            raise RoomNotFoundError(f"{service} is no MUC service of this server") from None
        raise


def tell(api: ApiClient, room: Jid, occupants: list[Occupant], text: str) -> None:
    """A message from the room itself to each of these, shown in the room (XEP-0045 section 7.4)."""
    for occupant in occupants:
        api.change(
            "send_message",
            type="groupchat",
            **{"from": str(room), "to": occupant.jid},
            subject="",
            body=text,
        )


def destroy(api: ApiClient, room: Jid) -> None:
    api.change("destroy_room", room=room.user, service=room.host)


def _affiliation(said: Mapping[str, str]) -> Affiliation:
    jid = said["jid"] if "jid" in said else f"{said['username']}@{said['domain']}".lstrip("@")
    return Affiliation(str(jid), str(said["affiliation"]), str(said["reason"]))


def _occupant(said: Mapping[str, str]) -> Occupant:
    return Occupant(str(said["jid"]), str(said["nick"]), str(said["role"]))


def _pairs(options: Any) -> list[tuple[str, str]]:
    """Options as they are told: as a list, or as an object. Raises KeyError and TypeError."""
    if isinstance(options, dict):
        return [(name, str(value)) for name, value in options.items()]
    return [(str(each["name"]), str(each["value"])) for each in options]


_NO_ROOM = re.compile("room does not exist|room_not_found|'service'", re.IGNORECASE)
"""Said of a room or a service that is not there. Other errors say nothing about whether it is."""


def _is_about_service(error: ApiError) -> bool:
    said = error.message
    if error.command == "muc_online_rooms_by_regex":
        return error.status in (400, 500)
    return "'service'" in said or "serverhost" in said
