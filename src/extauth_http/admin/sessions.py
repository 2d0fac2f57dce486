"""The sessions of a user: listed, notified and ended."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError, unexpected_result
from extauth_http.ejabberd_api.releases import parse_count
from extauth_http.protocol.jid import Jid


@dataclass(frozen=True, slots=True)
class Session:
    """One connected client. ``since`` is in UTC, to the second. ``connection`` is ejabberd's word
    for the kind of connection (``c2s``, ``c2s_tls``, ``websocket``, ``bosh``, ``mqtt``)."""

    resource: str
    connection: str
    ip: str
    port: int
    since: datetime
    priority: int
    status: str
    node: str


class UserNotFoundError(Exception):
    """ejabberd does not know the user, or does not serve the virtual host."""


def list_sessions(api: ApiClient, jid: Jid) -> list[Session]:
    """The sessions of a user, newest first. Raises ApiError."""
    now = datetime.now(UTC).replace(microsecond=0)

    def session(item: Any) -> Session:
        return Session(
            resource=str(item["resource"]),
            connection=str(item["connection"]),
            ip=str(item["ip"]).removeprefix("::ffff:").removeprefix("::FFFF:"),
            port=int(item["port"]),
            since=now - timedelta(seconds=int(item["uptime"])),
            priority=int(item["priority"]),
            status=" ".join(filter(None, (str(item["status"]), str(item["statustext"])))),
            node=str(item["node"]),
        )

    found = api.query_list("user_sessions_info", session, user=jid.user, host=jid.host)
    return sorted(found, key=lambda session: session.since, reverse=True)


def list_hosts(api: ApiClient) -> list[str]:
    """The virtual hosts of the server. Raises ApiError."""
    return api.query_list("registered_vhosts", str)


def require_known(api: ApiClient, jid: Jid) -> None:
    """Raises UserNotFoundError if ejabberd does not know a user, and ApiError.

    ejabberd treats an undecided ``isuser`` as a no. So this is called only if a user who does not
    exist makes a difference, and it never prevents the end of a session.
    """
    if api.query("check_account", user=jid.user, host=jid.host) != 0:
        raise UserNotFoundError(f"ejabberd does not know {jid}, or cannot find out if it exists")


def require_served(jids: list[Jid], hosts: list[str]) -> None:
    """Raises UserNotFoundError for the first user whose virtual host is not in ``hosts``."""
    for jid in jids:
        if jid.host not in hosts:
            raise UserNotFoundError(
                f"{jid}: ejabberd does not serve {jid.host}, only {', '.join(hosts)}"
            )


def notify(api: ApiClient, jid: Jid, resources: list[str], text: str) -> None:
    """Sends a message from the virtual host to each of these sessions. Raises ApiError."""
    for count, resource in enumerate(resources):
        try:
            api.change(
                "send_message",
                type="normal",
                **{"from": jid.host, "to": f"{jid}/{resource}"},
                subject="",
                body=text,
            )
        except ApiError as error:
            error.may_have_changed = error.may_have_changed or count > 0
            raise


def kick(api: ApiClient, jid: Jid) -> int | None:
    """Ends all sessions of a user and returns their number; None in a dry run. Raises ApiError."""
    result = api.change("kick_user", user=jid.user, host=jid.host)
    if api.is_dry_run:
        return None
    count = parse_count(result)
    if count is None:
        error = unexpected_result("kick_user")
        error.may_have_changed = True
        raise error
    return count


def kick_with_reason(api: ApiClient, jid: Jid, reason: str) -> int | None:
    """Like ``kick``, and sends the reason to each client.

    ``kick_user`` takes no reason. So each session is ended by itself, and ``kick_user`` then ends
    the sessions that began in the meantime.
    """
    sessions = list_sessions(api, jid)
    for session in sessions:
        kick_session(api, jid, session.resource, reason)
    newer = kick(api, jid)
    return None if newer is None else max(len(sessions), newer)


def kick_session(api: ApiClient, jid: Jid, resource: str, reason: str) -> None:
    """Ends one session. ejabberd also reports success for a resource that does not exist. Raises
    ApiError."""
    api.change(
        "kick_session",
        user=jid.user,
        host=jid.host,
        resource=resource,
        reason=reason or "ended by an administrator",
    )
