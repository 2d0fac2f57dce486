"""``extauth-http user sessions``, ``notify`` and ``kick``."""

import argparse
from collections.abc import Sequence

from extauth_http.admin import sessions
from extauth_http.admin.command import (
    DONE,
    INTERRUPTED,
    NOT_DONE,
    confirmed,
    targets_of,
    wait_after_notification,
)
from extauth_http.admin.outcomes import Outcome, State, run_each
from extauth_http.admin.output import Output
from extauth_http.admin.revoke import describe
from extauth_http.admin.sessions import Session
from extauth_http.admin.user_list import UserListError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid
from extauth_http.terminal.printable import printable

SessionsByUser = dict[Jid, list[Session]]


def show_sessions(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``user sessions``"""
    jid: Jid = arguments.user
    sessions.require_served([jid], sessions.list_hosts(api))
    found = sessions.list_sessions(api, jid)
    if not found:
        sessions.require_known(api, jid)
    facts = {"user": str(jid), "sessions": [_facts(each) for each in found]}
    if not found:
        output.result(f"{jid} has no session", facts)
        return DONE
    rows = [
        (
            each.resource,
            f"{each.ip}:{each.port}",
            f"{each.since:%Y-%m-%d %H:%M:%S}Z",
            each.connection,
            each.status,
        )
        for each in found
    ]
    output.table(("resource", "from", "since", "connection", "status"), rows, facts)
    return DONE


def notify(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``user notify``"""
    targets = targets_of(arguments)
    sessions.require_served(targets, sessions.list_hosts(api))

    def step(jid: Jid) -> Outcome:
        found = sessions.list_sessions(api, jid)
        if not found:
            sessions.require_known(api, jid)
            message = "has no session; no message was sent"
            return Outcome(str(jid), State.NOT_DONE, message, {"notified": 0})
        sessions.notify(api, jid, _resources(found), arguments.text)
        message = f"sent to {count_of(len(found))}"
        return Outcome(str(jid), State.DONE, message, {"notified": len(found)})

    outcomes, is_interrupted = run_each(targets, step, output.progress("notifying"))
    code = output.outcomes(outcomes)
    return INTERRUPTED if is_interrupted else code


def kick(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``user kick``"""
    targets = targets_of(arguments)
    if arguments.resource and len(targets) > 1:
        raise UserListError("expected one user with --resource")
    sessions.require_served(targets, sessions.list_hosts(api))
    found, failed = list_all(api, targets, output)
    if not found:
        return output.outcomes(list(failed.values()))
    if arguments.resource:
        return _kick_one(arguments, api, output, found)
    if not confirmed(arguments, api, output, question(found)):
        return NOT_DONE
    notify_and_wait(arguments, api, output, found)

    def step(jid: Jid) -> Outcome:
        if jid not in found:
            return failed[jid]
        if arguments.reason:
            count = sessions.kick_with_reason(api, jid, arguments.reason)
        else:
            count = sessions.kick(api, jid)
        if count is None:
            count = len(found[jid])
        if not count:
            sessions.require_known(api, jid)
        message = f"{count_of(count)} ended" if count else "had no session"
        return Outcome(str(jid), State.DONE, message, {"ended": count})

    outcomes, is_interrupted = run_each(targets, step, output.progress("ending sessions"))
    try:
        outcomes = [_resolved(api, each) for each in outcomes]
    except KeyboardInterrupt:
        is_interrupted = True
    code = output.outcomes(outcomes)
    return INTERRUPTED if is_interrupted else code


def _kick_one(
    arguments: argparse.Namespace, api: ApiClient, output: Output, found: SessionsByUser
) -> int:
    ((jid, listed),) = found.items()
    resources = _resources(listed)
    if arguments.resource not in resources:
        names = ", ".join(map(printable, resources)) or "none"
        message = f"has no session {arguments.resource!r}; its sessions: {names}"
        return output.outcomes([Outcome(str(jid), State.NOT_DONE, message)])
    if not confirmed(arguments, api, output, f"End the session {jid}/{arguments.resource}?"):
        return NOT_DONE
    chosen = [session for session in listed if session.resource == arguments.resource]
    notify_and_wait(arguments, api, output, {jid: chosen})
    sessions.kick_session(api, jid, arguments.resource, arguments.reason)
    message = f"session {printable(arguments.resource)} ended"
    return output.outcomes([Outcome(str(jid), State.DONE, message, {"ended": 1})])


def list_all(
    api: ApiClient, targets: Sequence[Jid], output: Output
) -> tuple[SessionsByUser, dict[Jid, Outcome]]:
    """The sessions of each user, and the outcome of each user whose sessions cannot be listed.
    Raises KeyboardInterrupt."""
    found: SessionsByUser = {}

    def step(jid: Jid) -> Outcome:
        found[jid] = sessions.list_sessions(api, jid)
        return Outcome(str(jid), State.DONE, "")

    outcomes, is_interrupted = run_each(targets, step, output.progress("listing sessions"))
    if is_interrupted:
        raise KeyboardInterrupt
    failed = {
        jid: outcome for jid, outcome in zip(targets, outcomes, strict=True) if jid not in found
    }
    return found, failed


def question(found: SessionsByUser) -> str:
    """The question before sessions are ended."""
    if len(found) == 1:
        ((jid, listed),) = found.items()
        where = f" ({describe(listed)})" if listed else ""
        return f"End {count_of(len(listed))} of {jid}{where}?"
    total = sum(map(len, found.values()))
    return f"End {count_of(total)} of {len(found)} users?"


def notify_and_wait(
    arguments: argparse.Namespace, api: ApiClient, output: Output, found: SessionsByUser
) -> None:
    """Sends ``--notify`` to each session and waits. A user who cannot be notified is kicked
    nevertheless."""
    if not arguments.notify:
        return
    for jid, listed in found.items():
        try:
            sessions.notify(api, jid, _resources(listed), arguments.notify)
        except ApiError as error:
            output.note(f"{jid} could not be notified: {error}")
    if any(found.values()):
        wait_after_notification(arguments, api, output)


def count_of(count: int) -> str:
    return f"{count} session{'' if count == 1 else 's'}"


def _resolved(api: ApiClient, outcome: Outcome) -> Outcome:
    """For an outcome that is not known, the sessions show what happened."""
    if outcome.state is not State.NOT_KNOWN:
        return outcome
    try:
        left = sessions.list_sessions(api, Jid.parse(outcome.target))
    except ApiError:
        return outcome
    if left:
        message = f"{count_of(len(left))} still there"
        return Outcome(outcome.target, State.NOT_DONE, message, hint=outcome.hint)
    return Outcome(outcome.target, State.DONE, "no session is left", {"ended": None})


def _resources(listed: Sequence[Session]) -> list[str]:
    return [session.resource for session in listed]


def _facts(session: Session) -> dict[str, object]:
    return {
        "resource": session.resource,
        "ip": session.ip,
        "port": session.port,
        "since": session.since.isoformat(),
        "connection": session.connection,
        "priority": session.priority,
        "status": session.status,
        "node": session.node,
    }
