"""How each ejabberd release calls the admin commands, and how its results are read.

``FORMS`` lists each command whose path, arguments or result differ between ejabberd 23.01 and
26.07. All other commands are the same in these releases. The source is the definition of each
command in ejabberd ("updated in 24.12"). Since 24.02 a path may end with an API version; without
one, ejabberd uses the newest version or ``default_version`` of ``mod_http_api``. So if a command
has several versions, its path here names one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Arguments = Mapping[str, Any]


class Release(NamedTuple):
    """Year and month: ejabberd 24.12 is ``Release(24, 12)``. Comparable with a plain tuple."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year}.{self.month:02}"


FIRST = Release(23, 1)
"""The oldest release with known forms."""


def _unchanged(arguments: Arguments) -> dict[str, Any]:
    return dict(arguments)


@dataclass(frozen=True, slots=True)
class Form:
    """How a command is called since a release.

    ``path`` is the path below the API's URL. ``encode`` turns the arguments with their newest names
    (those of 26.07) into the arguments of this form.
    """

    since: Release
    path: str
    encode: Callable[[Arguments], dict[str, Any]] = field(default=_unchanged)


def _with_name(arguments: Arguments) -> dict[str, Any]:
    """``room`` is called ``name``."""
    return {"name" if key == "room" else key: value for key, value in arguments.items()}


def _with_jid(arguments: Arguments) -> dict[str, Any]:
    """``user`` and ``host`` are one ``jid``, and ``room`` is called ``name``."""
    rest = {key: value for key, value in arguments.items() if key not in ("user", "host")}
    return {**_with_name(rest), "jid": f"{arguments['user']}@{arguments['host']}"}


def _with_two_jids(arguments: Arguments) -> dict[str, Any]:
    """``user`` is a JID, and ``room`` is a JID."""
    return {
        "user": f"{arguments['user']}@{arguments['host']}",
        "room": f"{arguments['room']}@{arguments['service']}",
    }


def _with_joined_users(arguments: Arguments) -> dict[str, Any]:
    """``users`` is one text with ``:`` between the JIDs, and an empty value is ``none``."""
    return {
        **_with_name(arguments),
        "users": ":".join(arguments["users"]),
        "password": arguments["password"] or "none",
        "reason": arguments["reason"] or "none",
    }


def _name_became_room(command: str) -> tuple[Form, ...]:
    return (Form(Release(24, 12), command), Form(FIRST, command, _with_name))


FORMS: Mapping[str, tuple[Form, ...]] = {
    # Version 2 exists since 24.06. Before 25.08 it also sets a random password at the service, and
    # unban_account fails, so these releases count as releases without a ban. Verified with 24.12
    # and 26.07; the releases between them are from ejabberd's changelog.
    "ban_account": (Form(Release(25, 8), "ban_account/v2"),),
    "unban_account": (Form(Release(25, 8), "unban_account/v2"),),
    "get_ban_details": (Form(Release(25, 8), "get_ban_details/v2"),),
    "list_banned": (Form(Release(25, 10), "list_banned"),),
    "get_mam_count": (Form(Release(24, 10), "get_mam_count"),),
    "change_room_option": _name_became_room("change_room_option"),
    "create_room_with_opts": _name_became_room("create_room_with_opts"),
    "destroy_room": _name_became_room("destroy_room"),
    "get_room_occupants": _name_became_room("get_room_occupants"),
    "get_room_options": _name_became_room("get_room_options"),
    "get_subscribers": _name_became_room("get_subscribers"),
    # Result: items with username and domain until 24.12, then with jid.
    "get_room_affiliations": (
        Form(Release(24, 12), "get_room_affiliations/v3"),
        Form(FIRST, "get_room_affiliations", _with_name),
    ),
    # Result: {"num_resources": n}; n since 24.02; a sentence since 24.06.
    "kick_user": (
        Form(Release(24, 6), "kick_user/v2"),
        Form(FIRST, "kick_user"),
    ),
    # v3 (24.12) cannot be called over HTTP: it takes "host" for the old name of "service".
    "muc_unregister_nick": (
        Form(Release(24, 12), "muc_unregister_nick/v0", _with_jid),
        Form(FIRST, "muc_unregister_nick", _with_jid),
    ),
    "muc_get_registered_nick": (Form(Release(25, 10), "muc_get_registered_nick"),),
    "send_direct_invitation": (
        Form(Release(24, 12), "send_direct_invitation/v1"),
        Form(Release(24, 2), "send_direct_invitation/v1", _with_name),
        Form(FIRST, "send_direct_invitation", _with_joined_users),
    ),
    "set_room_affiliation": (
        Form(Release(24, 12), "set_room_affiliation/v3"),
        Form(FIRST, "set_room_affiliation", _with_jid),
    ),
    "unsubscribe_room": (
        Form(Release(24, 12), "unsubscribe_room/v3"),
        Form(FIRST, "unsubscribe_room", _with_two_jids),
    ),
}
"""The forms of each command, newest first."""


def forms_for(command: str, release: Release | None) -> list[Form]:
    """The forms to try, in this order: those of the release and older, then those of newer ones.

    Empty if the release does not have the command. If the release is unknown, the newest form
    comes first.
    """
    known = FORMS.get(command, (Form(FIRST, command),))
    if release is None:
        return list(known)
    if release < known[-1].since:
        return []
    matching = [form for form in known if form.since <= release]
    return matching + [form for form in known if form.since > release]


def first_release(command: str) -> Release:
    """The first release that has a command, ``FIRST`` for all that are older."""
    return FORMS[command][-1].since if command in FORMS else FIRST


_VERSION = re.compile(r"ejabberd ((\d{2})\.(\d{1,2})[\w.+~-]*)")


def parse_release(status: object) -> Release | None:
    """The release in a result of ``status``: "ejabberd 24.12-3 is running in that node"."""
    found = _VERSION.search(str(status))
    return Release(int(found[2]), int(found[3])) if found else None


def parse_version(status: object) -> str:
    """The whole version in a result of ``status``, such as "24.12-3"; empty if there is none."""
    found = _VERSION.search(str(status))
    return found[1] if found else ""


def parse_count(result: object) -> int | None:
    """A count in any of its forms: ``2``, ``{"num_resources": 2}`` or "Kicked sessions: 2"; None
    if there is none."""
    if isinstance(result, dict) and len(result) == 1:
        (result,) = result.values()
    if isinstance(result, int) and not isinstance(result, bool):
        return result
    found = re.search(r"(\d+)\s*$", result) if isinstance(result, str) else None
    return int(found[1]) if found else None


def parse_log_level(result: object) -> str:
    """The level in a result of ``get_loglevel``: ``{"levelatom": "info"}`` in 23.01, "info" in
    later releases."""
    return str(result.get("levelatom") if isinstance(result, dict) else result)
