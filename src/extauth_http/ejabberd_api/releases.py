"""What ejabberd's admin commands are called with, release by release.

The one place that knows. Commands that are not here are the same from 23.01 to 26.07. The releases
are those that ejabberd's own command definitions name ("updated in 24.12"); from 24.02 on a command
may carry a version in its path, and without one ejabberd takes its newest, or what
``default_version`` of ``mod_http_api`` says: so where there are several, the path names one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Release = tuple[int, int]
"""Year and month: ejabberd 24.12 is ``(24, 12)``."""

Arguments = Mapping[str, Any]


def _unchanged(arguments: Arguments) -> dict[str, Any]:
    return dict(arguments)


@dataclass(frozen=True, slots=True)
class Form:
    """How a command is called from a release on: its path below the API's URL, and what its
    arguments, given here by their newest names, are made into."""

    since: Release
    path: str
    spoken: Callable[[Arguments], dict[str, Any]] = field(default=_unchanged)


def _by_name(arguments: Arguments) -> dict[str, Any]:
    """``room`` is called ``name``."""
    return {"name" if key == "room" else key: value for key, value in arguments.items()}


def _by_jid(arguments: Arguments) -> dict[str, Any]:
    """``user`` and ``host`` are one ``jid``, and ``room`` is called ``name``."""
    rest = {key: value for key, value in arguments.items() if key not in ("user", "host")}
    return {**_by_name(rest), "jid": f"{arguments['user']}@{arguments['host']}"}


def _by_jids(arguments: Arguments) -> dict[str, Any]:
    """``user`` is a JID, and so is ``room``."""
    return {
        "user": f"{arguments['user']}@{arguments['host']}",
        "room": f"{arguments['room']}@{arguments['service']}",
    }


def _joined(arguments: Arguments) -> dict[str, Any]:
    """``users`` is one text with ``:`` between them, and what is left out is called ``none``."""
    return {
        **_by_name(arguments),
        "users": ":".join(arguments["users"]),
        "password": arguments["password"] or "none",
        "reason": arguments["reason"] or "none",
    }


def _renamed(command: str) -> tuple[Form, ...]:
    return (Form((24, 12), command), Form((23, 1), command, _by_name))


FORMS: Mapping[str, tuple[Form, ...]] = {
    "change_room_option": _renamed("change_room_option"),
    "create_room_with_opts": _renamed("create_room_with_opts"),
    "destroy_room": _renamed("destroy_room"),
    "get_room_occupants": _renamed("get_room_occupants"),
    "get_room_options": _renamed("get_room_options"),
    "get_subscribers": _renamed("get_subscribers"),
    # The answer: username and domain until 24.12, then a jid.
    "get_room_affiliations": (
        Form((24, 12), "get_room_affiliations/v3"),
        Form((23, 1), "get_room_affiliations", _by_name),
    ),
    # The answer: {"num_resources": n}, n from 24.02, a sentence from 24.06.
    "kick_user": (
        Form((24, 6), "kick_user/v2"),
        Form((23, 1), "kick_user"),
    ),
    # v3 (24.12) cannot be called over HTTP: its "host" is taken for the older name of "service".
    "muc_unregister_nick": (
        Form((24, 12), "muc_unregister_nick/v0", _by_jid),
        Form((23, 1), "muc_unregister_nick", _by_jid),
    ),
    "muc_get_registered_nick": (Form((25, 10), "muc_get_registered_nick"),),
    "send_direct_invitation": (
        Form((24, 12), "send_direct_invitation/v1"),
        Form((24, 2), "send_direct_invitation/v1", _by_name),
        Form((23, 1), "send_direct_invitation", _joined),
    ),
    "set_room_affiliation": (
        Form((24, 12), "set_room_affiliation/v3"),
        Form((23, 1), "set_room_affiliation", _by_jid),
    ),
    "unsubscribe_room": (
        Form((24, 12), "unsubscribe_room/v3"),
        Form((23, 1), "unsubscribe_room", _by_jids),
    ),
}


def forms(command: str, release: Release | None) -> list[Form]:
    """How a server may be called, likeliest first: as its own release has it, then as others do.

    Empty where the release does not have the command. Without a release the newest goes first.
    """
    known = FORMS.get(command, (Form((23, 1), command),))
    if release is None:
        return list(known)
    if release < known[-1].since:
        return []
    fitting = [form for form in known if form.since <= release]
    return fitting + [form for form in known if form.since > release]


def since(command: str) -> Release:
    """The release that a command came with, as far as it matters here."""
    return FORMS[command][-1].since if command in FORMS else (23, 1)


def release_of(status: object) -> Release | None:
    """The release in an answer to ``status``: "ejabberd 24.12-3 is running in that node"."""
    found = re.search(r"ejabberd (\d{2})\.(\d{1,2})", str(status))
    return (int(found[1]), int(found[2])) if found else None


def number(said: object) -> int | None:
    """A count, however it is told: ``2``, ``{"num_resources": 2}`` or "Kicked sessions: 2"."""
    if isinstance(said, dict) and len(said) == 1:
        (said,) = said.values()
    if isinstance(said, int) and not isinstance(said, bool):
        return said
    found = re.search(r"(\d+)\s*$", said) if isinstance(said, str) else None
    return int(found[1]) if found else None
