"""Bans of users: ejabberd refuses their passwords before it asks the program.

A ban holds while the service is down. ejabberd keeps it in the private data of the user, so it
needs ``mod_private``. It does not check it for OAuth tokens.
"""

from dataclasses import dataclass
from typing import Any

from extauth_http.admin import sessions
from extauth_http.admin.sessions import UserNotFoundError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError, unexpected_result
from extauth_http.ejabberd_api.releases import Release, first_release
from extauth_http.protocol.jid import Jid

FIRST_THAT_REFUSES_LOGINS = Release(24, 6)
"""Since this release, a ban refuses logins. Before, ``ban_account`` only sets a password."""


@dataclass(frozen=True, slots=True)
class Ban:
    """A ban. ``since`` is a timestamp in UTC as ejabberd writes it (XEP-0082)."""

    reason: str
    since: str


class BanUnsupportedError(Exception):
    """This release has no ban that can be used with an external program. Nothing was changed."""


class BanFailedError(Exception):
    """ejabberd did not ban or unban a user. The message is the reason. Nothing was changed."""


def require_support(api: ApiClient) -> None:
    """Raises BanUnsupportedError and ApiError."""
    release, first = api.release, first_release("ban_account")
    if release is None:
        raise BanUnsupportedError(
            "the release of ejabberd is not known, and some releases would set a random password "
            "at the service: allow the command status in api_permissions"
        )
    if release >= first:
        return
    if release < FIRST_THAT_REFUSES_LOGINS:
        problem = "its ban_account only sets a random password at the service (setpass)"
    else:
        problem = (
            "its ban_account also sets a random password at the service (setpass), and its "
            "unban_account fails"
        )
    raise BanUnsupportedError(f"ejabberd {release} cannot ban: {problem}. {first} and newer can")


def read(api: ApiClient, jid: Jid) -> Ban | None:
    """The ban of a user; None if there is none. Raises ApiError."""
    details = _fields(api.query("get_ban_details", user=jid.user, host=jid.host))
    since = details.get("bandate", "")
    return Ban(details.get("reason", ""), since) if since else None


def ban(api: ApiClient, jid: Jid, reason: str) -> None:
    """Bans a user who is not banned, ends all sessions and deletes the FAST tokens. Raises
    BanFailedError and ApiError."""
    try:
        api.change("ban_account", user=jid.user, host=jid.host, reason=reason)
    except ApiError as error:
        raise _why(api, jid, error) from None


def unban(api: ApiClient, jid: Jid) -> None:
    """Lifts the ban of a user. Raises BanFailedError and ApiError."""
    try:
        api.change("unban_account", user=jid.user, host=jid.host)
    except ApiError as error:
        raise _why(api, jid, error) from None


def banned_users(api: ApiClient, host: str) -> list[Jid]:
    """The banned users of a virtual host. Raises ApiError."""
    return sorted(api.query_list("list_banned", lambda each: Jid.parse(str(each)), host=host))


def _why(api: ApiClient, jid: Jid, error: ApiError) -> Exception:
    """ejabberd reports without a reason that it did nothing."""
    if not error.is_failure_result:
        return error
    try:
        sessions.require_known(api, jid)
    except UserNotFoundError as unknown:
        return BanFailedError(f"{unknown}; ejabberd bans and unbans only users that exist")
    return BanFailedError("ejabberd did nothing; a ban needs mod_private: add it to modules")


def _fields(result: Any) -> dict[str, str]:
    if not isinstance(result, dict):
        raise unexpected_result("get_ban_details")
    return {str(name): str(value) for name, value in result.items()}
