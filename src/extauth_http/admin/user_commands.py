"""``extauth-http user …``: a user's sessions shown, told, ended, and kept from coming back."""

import argparse
import getpass
import sys
import time
from collections.abc import Sequence

from extauth_http.admin import revoke, users
from extauth_http.admin.command import BAD, GOOD, INTERRUPTED, UNUSABLE, agreed, targets_of
from extauth_http.admin.outcome import Outcome, State, UserListError, each
from extauth_http.admin.output import Screen
from extauth_http.admin.revoke import CredentialAcceptedError, Step, StepStatus
from extauth_http.admin.users import Session
from extauth_http.admin.visible import visible
from extauth_http.backends.registry import load
from extauth_http.config.loader import ConfigError, config_file
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.program.decider import Decider
from extauth_http.protocol.jid import Jid

On = dict[Jid, list[Session]]


def sessions(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``user sessions``"""
    jid: Jid = arguments.user
    users.must_be_served([jid], users.hosts(api))
    found = users.sessions(api, jid)
    if not found:
        users.must_be_known(api, jid)
    facts = {
        "user": str(jid),
        "sessions": [
            {
                "resource": each.resource,
                "ip": each.ip,
                "port": each.port,
                "since": each.since.isoformat(),
                "connection": each.connection,
                "priority": each.priority,
                "status": each.status,
                "node": each.node,
            }
            for each in found
        ],
    }
    if not found:
        screen.result(f"{jid} is not on", facts)
        return GOOD
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
    screen.table(("resource", "from", "since", "by", "status"), rows, facts)
    return GOOD


def notify(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``user notify``"""
    targets = targets_of(arguments)
    users.must_be_served(targets, users.hosts(api))

    def step(jid: Jid) -> Outcome:
        on = users.sessions(api, jid)
        if not on:
            users.must_be_known(api, jid)
            return Outcome(str(jid), State.NOT_DONE, "is not on; nothing was sent", {"told": 0})
        users.tell(api, jid, [session.resource for session in on], arguments.text)
        return Outcome(str(jid), State.DONE, f"told: {_count(on)}", {"told": len(on)})

    outcomes, is_interrupted = each(targets, step, screen.bar("telling"))
    code = screen.outcomes(outcomes)
    return INTERRUPTED if is_interrupted else code


def kick(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``user kick``"""
    targets = targets_of(arguments)
    if arguments.resource and len(targets) > 1:
        raise UserListError("--resource: expected one user with it")
    users.must_be_served(targets, users.hosts(api))
    on, failed = _look(api, targets, screen)
    if not on:
        return screen.outcomes(list(failed.values()))
    if arguments.resource:
        return _kick_one(arguments, api, screen, on)
    if not agreed(arguments, api, screen, _question(on)):
        return BAD
    _tell_and_wait(arguments, api, screen, on)

    def step(jid: Jid) -> Outcome:
        if jid not in on:
            return failed[jid]
        if arguments.reason:
            count = users.kick_with(api, jid, arguments.reason)
        else:
            count = users.kick(api, jid)
        if count is None:
            count = len(on[jid])
        if not count:
            users.must_be_known(api, jid)
        said = f"{_sessions(count)} ended" if count else "was not on"
        return Outcome(str(jid), State.DONE, said, {"ended": count})

    outcomes, is_interrupted = each(targets, step, screen.bar("ending sessions"))
    try:
        outcomes = [_settled(api, each) for each in outcomes]
    except KeyboardInterrupt:
        is_interrupted = True
    code = screen.outcomes(outcomes)
    return INTERRUPTED if is_interrupted else code


def revoke_user(arguments: argparse.Namespace, api: ApiClient, screen: Screen) -> int:
    """``user revoke``"""
    targets = targets_of(arguments)
    if len(targets) > 1 and not arguments.no_verify:
        raise UserListError(
            "whether a credential is refused is asked for one user: add --no-verify"
        )
    users.must_be_served(targets, users.hosts(api))
    verified: list[Step] = []
    if not arguments.no_verify:
        try:
            verified = [_verify(arguments, targets[0])]
        except (CredentialAcceptedError, ConfigError) as why:
            screen.note(f"extauth-http: {why}; nothing was done")
            return BAD if isinstance(why, CredentialAcceptedError) else UNUSABLE
    on, failed = _look(api, targets, screen)
    if not on:
        return screen.outcomes(list(failed.values()))
    if not agreed(arguments, api, screen, _question(on)):
        return BAD
    _tell_and_wait(arguments, api, screen, on)

    def step(jid: Jid) -> Outcome:
        if jid not in on:
            return failed[jid]
        steps = [*verified, *revoke.forget(api, jid, keep_caches=arguments.keep_caches)]
        steps += revoke.end(api, jid)
        if api.is_dry_run:
            return Outcome(str(jid), State.DONE, "revoked as far as this ejabberd can")
        if arguments.no_fast:
            steps = [each for each in steps if each.what != "FAST tokens"]
        return _revoked(jid, [*steps, revoke.look_again(api, jid)])

    outcomes, is_interrupted = each(targets, step, screen.bar("revoking"))
    code = screen.outcomes(outcomes)
    return INTERRUPTED if is_interrupted else code


def _look(api: ApiClient, targets: Sequence[Jid], screen: Screen) -> tuple[On, dict[Jid, Outcome]]:
    """Who is on with what, and those for whom that could not be asked."""
    on: On = {}

    def step(jid: Jid) -> Outcome:
        on[jid] = users.sessions(api, jid)
        return Outcome(str(jid), State.DONE, "")

    outcomes, is_interrupted = each(targets, step, screen.bar("looking"))
    if is_interrupted:
        raise KeyboardInterrupt
    return on, {jid: came for jid, came in zip(targets, outcomes, strict=True) if jid not in on}


def _question(on: On) -> str:
    if len(on) == 1:
        ((jid, open_ones),) = on.items()
        where = ", ".join(f"{visible(session.resource)} from {session.ip}" for session in open_ones)
        return f"End {_count(open_ones)} of {jid}{f' ({where})' if where else ''}?"
    total = sum(map(len, on.values()))
    return f"End {_sessions(total)} of {len(on)} users?"


def _tell_and_wait(arguments: argparse.Namespace, api: ApiClient, screen: Screen, on: On) -> None:
    """Those who are on are told first; that somebody cannot be told keeps nothing from its end."""
    if not arguments.notify:
        return
    for jid, open_ones in on.items():
        try:
            users.tell(api, jid, _resources(open_ones), arguments.notify)
        except ApiError as error:
            screen.note(f"{jid} could not be told: {error}")
    if any(on.values()) and not api.is_dry_run:
        screen.note(f"waiting {arguments.grace:g} s")
        time.sleep(arguments.grace)


def _kick_one(
    arguments: argparse.Namespace,
    api: ApiClient,
    screen: Screen,
    on: On,
) -> int:
    ((jid, open_ones),) = on.items()
    resources = _resources(open_ones)
    if arguments.resource not in resources:
        listed = ", ".join(map(visible, resources)) or "none"
        said = f"has no session {arguments.resource!r}; it has: {listed}"
        return screen.outcomes([Outcome(str(jid), State.NOT_DONE, said)])
    if not agreed(arguments, api, screen, f"End the session {jid}/{arguments.resource}?"):
        return BAD
    chosen = [session for session in open_ones if session.resource == arguments.resource]
    _tell_and_wait(arguments, api, screen, {jid: chosen})
    users.kick_one(api, jid, arguments.resource, arguments.reason)
    said = f"session {visible(arguments.resource)} ended"
    return screen.outcomes([Outcome(str(jid), State.DONE, said, {"ended": 1})])


def _settled(api: ApiClient, outcome: Outcome) -> Outcome:
    """Where the answer got lost, what is so is looked at instead."""
    if outcome.state is not State.NOT_KNOWN:
        return outcome
    try:
        left = users.sessions(api, Jid.parse(outcome.target))
    except ApiError:
        return outcome
    if left:
        said = f"{_count(left)} still there"
        return Outcome(outcome.target, State.NOT_DONE, said, advice=outcome.advice)
    return Outcome(outcome.target, State.DONE, "no session is left", {"ended": None})


def _verify(arguments: argparse.Namespace, jid: Jid) -> Step:
    """Raises StillGood, and BadSettings."""
    try:
        password = _credential(jid)
    except UnicodeDecodeError:
        raise CredentialAcceptedError("the credential that was given is not UTF-8 text") from None
    if not password:
        raise CredentialAcceptedError(
            "no credential was given; it is asked for, or read from standard input"
        )
    settings = load(config_file(arguments.config))
    try:
        decider = Decider(settings)
    except Exception as error:  # noqa: BLE001 - a backend may do anything
        raise ConfigError([f"the backend cannot be asked: {type(error).__name__}"]) from None
    try:
        return revoke.verify(decider, jid, password)
    finally:
        decider.close()


def _credential(jid: Jid) -> str:
    """From the terminal, or the first line of standard input. Raises UnicodeDecodeError."""
    if sys.stdin and sys.stdin.isatty():
        return getpass.getpass(f"The credential of {jid} that is revoked: ")
    return sys.stdin.buffer.readline().rstrip(b"\r\n").decode() if sys.stdin else ""


def _revoked(jid: Jid, steps: list[Step]) -> Outcome:
    marks = {StepStatus.DONE: "✔", StepStatus.NOTHING_THERE: "✔", StepStatus.SKIPPED: "-"}
    lines = [f"{marks.get(step.came, '✘')} {step.what}: {step.said}" for step in steps]
    facts = [{"what": step.what, "came": step.came.value, "said": step.said} for step in steps]
    states = {step.came for step in steps}
    state, said = State.DONE, "revoked"
    if StepStatus.IMPOSSIBLE in states:
        state, said = State.NOT_KNOWN, "revoked as far as this ejabberd can"
    if StepStatus.FAILED in states:
        state, said = State.NOT_DONE, "is back"
    return Outcome(str(jid), state, "\n    ".join([said, *lines]), {"steps": facts})


def _resources(open_ones: Sequence[Session]) -> list[str]:
    return [session.resource for session in open_ones]


def _count(open_ones: Sequence[Session]) -> str:
    return _sessions(len(open_ones))


def _sessions(count: int) -> str:
    return f"{count} session{'' if count == 1 else 's'}"
