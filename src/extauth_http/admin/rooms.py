"""Rooms: made, shown, opened to somebody, ended. ``removal.py`` takes people out of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from extauth_http.admin.api import Api, ApiError, understood
from extauth_http.admin.jid import Jid, bare


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

    def occupants_of(self, jid: Jid) -> list[Occupant]:
        return [occupant for occupant in self.occupants if bare(occupant.jid) == str(jid)]

    def affiliation_of(self, jid: Jid) -> str:
        return next(
            (each.affiliation for each in self.affiliations if each.jid == str(jid)), "none"
        )


class NoSuchRoom(Exception):  # noqa: N818 - it is what ejabberd said
    """The room is not there, or its service is none."""


class Unsuitable(Exception):  # noqa: N818 - reads as what it is
    """What was asked for cannot be done to this room, and nothing was."""


def online(api: Api, service: str) -> list[tuple[str, int]]:
    """The rooms of a service, or of all with ``global``, each with its number of occupants."""
    try:
        said = api.look("muc_online_rooms_by_regex", service=service, regex=".*")
    except ApiError as error:
        if error.is_refused and _is_about_service(error):
            raise NoSuchRoom(f"{service} is no MUC service of this server") from None
        raise
    with understood("muc_online_rooms_by_regex"):
        return sorted((str(each["jid"]), int(each["participants"])) for each in said)


def look(api: Api, room: Jid) -> Room:
    """Raises NoSuchRoom, and ApiError."""
    place = {"room": room.user, "service": room.host}
    try:
        affiliations = api.look("get_room_affiliations", **place)
        occupants = api.look("get_room_occupants", **place)
        subscribers = api.look("get_subscribers", **place)
    except ApiError as error:
        if error.is_refused and error.status in (400, 500):
            raise NoSuchRoom(
                f"there is no room {room}: {error.said}; `extauth-http room list` shows those "
                "that there are"
            ) from None
        raise
    with understood("get_room_occupants"):
        there = [Occupant(str(one["jid"]), one["nick"], one["role"]) for one in occupants]
    with understood("get_room_affiliations"):
        affiliated = [_affiliation(one) for one in affiliations]
    with understood("get_subscribers"):
        subscribed = [str(one) for one in subscribers]
    return Room(room, there, affiliated, subscribed, _options(api, room))


def _options(api: Api, room: Jid) -> dict[str, str] | None:
    try:
        said = api.look("get_room_options", room=room.user, service=room.host)
    except ApiError as error:
        # ejabberd 24.12 answers "400 Bad Request" for every room.
        if error.is_refused:
            return None
        raise
    with understood("get_room_options"):
        return {str(name): str(value) for name, value in sorted(_pairs(said).items())}


def exists(api: Api, room: Jid) -> bool:
    try:
        look(api, room)
    except NoSuchRoom:
        return False
    return True


def create(api: Api, room: Jid, host: str, options: Mapping[str, str]) -> Room | None:
    """Makes a room with these options, or none at all; None on a dry run.

    ejabberd makes a room also where it does not know an option, or reads another value into it: so
    the room is looked at, and taken away again where it is not the one that was asked for. Where
    the options are not told, each is set once more: that is refused where it is not known.
    """
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
            raise NoSuchRoom(f"{room.host} is no MUC service of this server") from None
        if error.status == 500 and options:
            raise _unlike(room, options) from None
        raise
    if api.is_dry:
        return None
    made = look(api, room)
    try:
        _must_be(api, made, options)
    except Unsuitable:
        destroy(api, room)
        raise
    return made


def _must_be(api: Api, made: Room, options: Mapping[str, str]) -> None:
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
        raise Unsuitable(
            f"{made.room} was not made: this ejabberd does not know {', '.join(unknown)}; it knows "
            f"{', '.join(made.options)}"
        )
    if wrong:
        raise Unsuitable(
            f"{made.room} was not made: ejabberd would make of it "
            f"{', '.join(f'{name}={made.options[name]}' for name in wrong)}"
        )


def _unlike(room: Jid, options: Iterable[str]) -> Unsuitable:
    return Unsuitable(
        f"{room} was not made: of {', '.join(options)}, ejabberd does not know one or its value"
    )


def change_option(api: Api, room: Jid, name: str, value: str) -> None:
    api.change("change_room_option", room=room.user, service=room.host, option=name, value=value)


def host_of(service: str, served: list[str]) -> str:
    """The virtual host that a service belongs to: by ejabberd's rule it is named below it."""
    fitting = [host for host in served if service.endswith(f".{host}") or service == host]
    return max(fitting, key=len, default=served[0] if len(served) == 1 else "")


def invite(api: Api, room: Jid, jids: list[Jid], reason: str, password: str) -> None:
    """A direct invitation (XEP-0249) from the room to each."""
    api.change(
        "send_direct_invitation",
        room=room.user,
        service=room.host,
        password=password,
        reason=reason,
        users=[str(jid) for jid in jids],
    )


def make_member(api: Api, room: Jid, jid: Jid) -> None:
    set_affiliation(api, room, jid, "member")


def set_affiliation(api: Api, room: Jid, jid: Jid, affiliation: str) -> None:
    api.change(
        "set_room_affiliation",
        room=room.user,
        service=room.host,
        user=jid.user,
        host=jid.host,
        affiliation=affiliation,
    )


def registered_nick(api: Api, jid: Jid, service: str) -> str | None:
    """The nick that a user has registered at a service, None where the server does not tell."""
    if not api.has("muc_get_registered_nick"):
        return None
    try:
        said = api.look("muc_get_registered_nick", user=jid.user, host=jid.host, service=service)
    except ApiError as error:
        if error.is_refused:
            return None
        raise
    return str(said)


def unregister_nick(api: Api, jid: Jid, service: str) -> None:
    try:
        api.change("muc_unregister_nick", user=jid.user, host=jid.host, service=service)
    except ApiError as error:
        if error.is_refused and _is_about_service(error):
            raise NoSuchRoom(f"{service} is no MUC service of this server") from None
        raise


def tell(api: Api, room: Jid, occupants: list[Occupant], text: str) -> None:
    """A message from the room itself to each of these, shown in the room (XEP-0045 section 7.4)."""
    for occupant in occupants:
        api.change(
            "send_message",
            type="groupchat",
            **{"from": str(room), "to": occupant.jid},
            subject="",
            body=text,
        )


def destroy(api: Api, room: Jid) -> None:
    api.change("destroy_room", room=room.user, service=room.host)


def _affiliation(said: Mapping[str, str]) -> Affiliation:
    jid = said["jid"] if "jid" in said else f"{said['username']}@{said['domain']}".lstrip("@")
    return Affiliation(jid, said["affiliation"], said["reason"])


def _pairs(options: object) -> dict[str, str]:
    """Options as an object, also where a server tells them as a list."""
    if isinstance(options, list):
        return {each["name"]: each["value"] for each in options}
    return dict(options) if isinstance(options, dict) else {}


def _is_about_service(error: ApiError) -> bool:
    said = error.said
    if error.command == "muc_online_rooms_by_regex":
        return error.status in (400, 500)
    return "'service'" in said or "serverhost" in said
