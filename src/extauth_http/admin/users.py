"""A user's sessions: who is on, told, and gone."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError, unexpected_result
from extauth_http.ejabberd_api.releases import parse_count
from extauth_http.protocol.jid import Jid


@dataclass(frozen=True, slots=True)
class Session:
    """One client that is on. ``since`` is in UTC, to the second; ``connection`` is ejabberd's word
    for the way it came (``c2s``, ``c2s_tls``, ``websocket``, ``bosh``, ``mqtt``)."""

    resource: str
    connection: str
    ip: str
    port: int
    since: datetime
    priority: int
    status: str
    node: str


class UserNotFoundError(Exception):
    """Nobody by that name: not on, and unknown to ejabberd or at a host that it does not serve."""


def sessions(api: ApiClient, jid: Jid) -> list[Session]:
    """Everything a user is on with, newest first. Raises ApiError."""
    now = datetime.now(UTC).replace(microsecond=0)

    def session(said: Any) -> Session:
        return Session(
            resource=str(said["resource"]),
            connection=str(said["connection"]),
            ip=str(said["ip"]).removeprefix("::ffff:").removeprefix("::FFFF:"),
            port=int(said["port"]),
            since=now - timedelta(seconds=int(said["uptime"])),
            priority=int(said["priority"]),
            status=" ".join(filter(None, (str(said["status"]), str(said["statustext"])))),
            node=str(said["node"]),
        )

    found = api.query_list("user_sessions_info", session, user=jid.user, host=jid.host)
    return sorted(found, key=lambda session: session.since, reverse=True)


def hosts(api: ApiClient) -> list[str]:
    """The virtual hosts that the server has. Raises ApiError."""
    return api.query_list("registered_vhosts", str)


def must_be_known(api: ApiClient, jid: Jid) -> None:
    """Raises NoSuchUser for a user that ejabberd does not know.

    ejabberd takes an undecided ``isuser`` for a no, so this is asked only where somebody who does
    not exist would make a difference, and never keeps a session from being ended.
    """
    if api.query("check_account", user=jid.user, host=jid.host) != 0:
        raise UserNotFoundError(f"ejabberd does not know {jid}, or could not ask whether it exists")


def must_be_served(jids: list[Jid], served: list[str]) -> None:
    """Raises NoSuchUser for the first one whose host is none of ejabberd's."""
    for jid in jids:
        if jid.host not in served:
            raise UserNotFoundError(
                f"{jid}: ejabberd does not serve {jid.host}, but {', '.join(served)}"
            )


def tell(api: ApiClient, jid: Jid, resources: list[str], text: str) -> None:
    """A message from the host itself to each of the sessions."""
    for told, resource in enumerate(resources):
        try:
            api.change(
                "send_message",
                type="normal",
                **{"from": jid.host, "to": f"{jid}/{resource}"},
                subject="",
                body=text,
            )
        except ApiError as error:
            error.may_have_changed = error.may_have_changed or bool(told)
            raise


def kick(api: ApiClient, jid: Jid) -> int | None:
    """Ends all sessions and says how many there were; None on a dry run."""
    said = api.change("kick_user", user=jid.user, host=jid.host)
    if api.is_dry_run:
        return None
    count = parse_count(said)
    if count is None:
        error = unexpected_result("kick_user")
        error.may_have_changed = True
        raise error
    return count


def kick_with(api: ApiClient, jid: Jid, reason: str) -> int | None:
    """The same, where each client is told why: ``kick_user`` has no place for it, so those that are
    on now are ended one by one, and ``kick_user`` ends what has come since."""
    on = sessions(api, jid)
    for session in on:
        kick_one(api, jid, session.resource, reason)
    came_since = kick(api, jid)
    return None if came_since is None else max(len(on), came_since)


def kick_one(api: ApiClient, jid: Jid, resource: str, reason: str) -> None:
    """Ends one session. ejabberd says yes to a resource that is not there, too."""
    api.change(
        "kick_session",
        user=jid.user,
        host=jid.host,
        resource=resource,
        reason=reason or "ended by an administrator",
    )
