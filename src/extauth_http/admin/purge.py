"""Deletes what ejabberd stores about a user whom the service no longer has.

``unregister`` does most of it, whatever the program replies to the ``removeuser`` that ejabberd
sends first. OAuth tokens, memberships in shared roster groups and, before 26.07, registered nicks
are deleted one by one before: ``unregister`` leaves them.
"""

import contextlib

from extauth_http.admin import revoke, rooms, stored_data
from extauth_http.admin.revoke import StepStatus
from extauth_http.admin.rooms import RoomNotFoundError
from extauth_http.admin.service import Existence, ExistenceAnswer
from extauth_http.admin.stored_data import Groups, StoredData
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid

COPIES = (
    "copies of messages in the archives of other users and of rooms, and that the user has seen "
    "the message of the day"
)
"""No command deletes these for one user."""


class UserNotRemovedError(Exception):
    """The service does not say that the user was removed. Nothing was changed."""


def require_removed(jid: Jid, answer: ExistenceAnswer) -> None:
    """Raises UserNotRemovedError unless the service says no."""
    if answer.existence is Existence.REMOVED:
        return
    problem = {
        Existence.EXISTS: f"the service still has {jid}",
        Existence.UNKNOWN: f"it is not known whether the service still has {jid}",
        Existence.NOT_ASKED: f"the configuration asks no service whether {jid} exists",
    }[answer.existence]
    raise UserNotRemovedError(
        f"{problem} ({answer.why}); remove the user there first, or use --no-verify: ejabberd then "
        "also sends removeuser to the service"
    )


def purge(api: ApiClient, jid: Jid, groups: Groups) -> list[str]:
    """Deletes everything that a command can delete. Returns what ejabberd refused to delete.
    Raises ApiError."""
    refused = []
    if revoke.revoke_oauth_tokens(api, jid).status is StepStatus.IMPOSSIBLE:
        refused.append("OAuth tokens")
    for group, host in stored_data.groups_of(jid, groups):
        try:
            api.change("srg_user_del", user=jid.user, host=jid.host, group=group, grouphost=host)
        except ApiError as error:
            if not error.is_refused:
                raise
            refused.append(f"shared roster group {group}")
    for service in groups.services:
        # A service that does not exist, or a user without a nick there.
        with contextlib.suppress(RoomNotFoundError):
            _unregister_nick(api, jid, service)
    api.change("unregister", user=jid.user, host=jid.host)
    return refused


def _unregister_nick(api: ApiClient, jid: Jid, service: str) -> None:
    try:
        rooms.unregister_nick(api, jid, service)
    except ApiError as error:
        if not (error.is_refused or error.is_failure_result):
            raise


def describe_rest(data: StoredData, refused: list[str]) -> str:
    """What is left after a purge, and what cannot be seen."""
    parts = []
    if data.found:
        parts.append(f"left: {data.describe()}")
    if refused:
        parts.append(f"refused: {', '.join(refused)}")
    return "; ".join(parts)
