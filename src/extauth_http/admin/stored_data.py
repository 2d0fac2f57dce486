"""What ejabberd stores about a user, as far as its admin API shows it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from extauth_http.admin import bans, revoke, rooms
from extauth_http.admin.rooms import RoomNotFoundError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.ejabberd_api.releases import parse_count
from extauth_http.protocol.jid import Jid

PRIVATE = (
    ("bookmarks", "storage", "storage:bookmarks"),
    ("notes", "roster", "storage:rosternotes"),
)
"""Private data (XEP-0049) with a known namespace. The API does not list the other namespaces."""

NO_VCARD = "no_vcard"
NOT_FOUND = "NOT FOUND"
"""The status in a result of ``get_last`` for a user whom mod_last does not know."""


@dataclass(slots=True)
class StoredData:
    """What is stored about one user: a text for each kind of data, such as "3".

    ``unreadable`` are the kinds that this server does not show.
    """

    found: dict[str, str] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def describe(self) -> str:
        return ", ".join(f"{kind}: {text}" for kind, text in self.found.items()) or "nothing"


@dataclass(frozen=True, slots=True)
class Groups:
    """Rooms and shared roster groups of a server, read once for all users of a command.

    ``affiliations`` has the affiliation of each JID in each room, ``services`` are the MUC
    services, and ``members`` the members of each shared roster group and its host. Each is None
    if the server does not show it.
    """

    affiliations: dict[Jid, dict[str, str]] | None
    services: Sequence[str]
    members: dict[tuple[str, str], list[str]] | None


Progress = Callable[[Sequence[str]], Iterable[str]]


def read_groups(api: ApiClient, hosts: Iterable[str], progress: Progress = iter) -> Groups:
    """Raises ApiError."""
    names = list(hosts)
    try:
        listed = [Jid.parse(jid) for jid, _ in rooms.list_rooms(api, "global")]
    except (ApiError, RoomNotFoundError) as error:
        if isinstance(error, ApiError) and not error.is_refused:
            raise
        return Groups(None, [], _members(api, names))
    affiliations: dict[Jid, dict[str, str]] = {}
    for name in progress([str(room) for room in listed]):
        room = Jid.parse(name)
        try:
            affiliations[room] = rooms.read_affiliations(api, room)
        except RoomNotFoundError:  # destroyed in the meantime
            continue
    services = {room.host for room in listed} | {f"conference.{host}" for host in names}
    return Groups(affiliations, sorted(services), _members(api, names))


def read(api: ApiClient, jid: Jid, groups: Groups) -> StoredData:
    """Raises ApiError if the server cannot be called."""
    data = StoredData()
    for kind, reader in _READERS.items():
        try:
            text = reader(api, jid)
        except ApiError as error:
            if not error.is_refused:
                raise
            data.unreadable.append(kind)
        else:
            if text:
                data.found[kind] = text
    _add_groups(data, jid, groups)
    _add_nicks(data, api, jid, groups)
    return data


def groups_of(jid: Jid, groups: Groups) -> list[tuple[str, str]]:
    """The shared roster groups of a user, each with its host."""
    members = groups.members or {}
    return [group for group, jids in members.items() if str(jid) in jids]


def _add_groups(data: StoredData, jid: Jid, groups: Groups) -> None:
    if groups.affiliations is None:
        data.unreadable.append("rooms")
    else:
        found = {
            str(room): own[str(jid)]
            for room, own in groups.affiliations.items()
            if own.get(str(jid), "none") != "none"
        }
        if found:
            data.found["rooms"] = ", ".join(f"{room} ({own})" for room, own in found.items())
    if groups.members is None:
        data.unreadable.append("shared roster groups")
    elif shared := groups_of(jid, groups):
        data.found["shared roster groups"] = ", ".join(name for name, _ in shared)


def _add_nicks(data: StoredData, api: ApiClient, jid: Jid, groups: Groups) -> None:
    nicks = {service: rooms.registered_nick(api, jid, service) for service in groups.services}
    if not nicks or all(nick is None for nick in nicks.values()):
        data.unreadable.append("nicks")
    elif found := [f"{nick} at {service}" for service, nick in nicks.items() if nick]:
        data.found["nicks"] = ", ".join(found)


def _members(api: ApiClient, hosts: list[str]) -> dict[tuple[str, str], list[str]] | None:
    try:
        return {
            (group, host): api.query_list("srg_get_members", str, group=group, host=host)
            for host in hosts
            for group in api.query_list("srg_list", str, host=host)
        }
    except ApiError as error:
        if not error.is_refused:
            raise
        return None


def _count_of(command: str) -> Callable[[ApiClient, Jid], str]:
    def read_count(api: ApiClient, jid: Jid) -> str:
        count = parse_count(api.query(command, user=jid.user, host=jid.host))
        return str(count) if count else ""

    return read_count


def _last_activity(api: ApiClient, jid: Jid) -> str:
    last = api.query("get_last", user=jid.user, host=jid.host)
    is_known = isinstance(last, dict) and last.get("status") != NOT_FOUND
    return str(last.get("timestamp")) if is_known else ""


def _roster(api: ApiClient, jid: Jid) -> str:
    contacts = api.query_list("get_roster", str, user=jid.user, host=jid.host)
    return f"{len(contacts)} contacts" if contacts else ""


def _vcard(api: ApiClient, jid: Jid) -> str:
    try:
        api.query("get_vcard", user=jid.user, host=jid.host, name="FN")
    except ApiError as error:
        if NO_VCARD in error.message:
            return ""
        if "no_value_found" not in error.message:
            raise
    return "stored"


def _private_data(api: ApiClient, jid: Jid) -> str:
    found = []
    for name, element, namespace in PRIVATE:
        arguments = {"user": jid.user, "host": jid.host, "element": element, "ns": namespace}
        result = api.query("private_get", **arguments)
        text = str(result.get("res") if isinstance(result, dict) else result)
        if f"</{element}>" in text:  # an element without content has no end tag
            found.append(name)
    return ", ".join(found)


def _ban(api: ApiClient, jid: Jid) -> str:
    found = bans.read(api, jid)
    return f"since {found.since}" if found else ""


def _oauth_tokens(api: ApiClient, jid: Jid) -> str:
    tokens = revoke.oauth_tokens(api, jid)
    return str(len(tokens)) if tokens else ""


_READERS: dict[str, Callable[[ApiClient, Jid], str]] = {
    "offline messages": _count_of("get_offline_count"),
    "archived messages": _count_of("get_mam_count"),
    "last activity": _last_activity,
    "roster": _roster,
    "vCard": _vcard,
    "private data": _private_data,
    "ban": _ban,
    "OAuth tokens": _oauth_tokens,
}
"""How each kind of data is read; an empty text means that there is none."""
