"""``extauth-http user sweep``"""

import argparse

from extauth_http.admin import service, sessions, sweep
from extauth_http.admin.command import INTERRUPTED, NOT_DONE, confirmed
from extauth_http.admin.outcomes import Outcome, State, run_each
from extauth_http.admin.output import Output
from extauth_http.admin.sweep import Survey, SweepRefusedError
from extauth_http.admin.user_commands import count_of
from extauth_http.admin.user_list import UserListError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.program.decider import Decider
from extauth_http.protocol.jid import Jid


def sweep_users(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``user sweep``"""
    hosts = sessions.list_hosts(api)
    for host in arguments.host:
        if host not in hosts:
            raise UserListError(f"ejabberd does not serve {host}, only {', '.join(hosts)}")
    with service.open_decider(arguments.config) as decider:
        progress = output.progress("asking the service")
        try:
            found = sweep.survey(api, decider, arguments.host, arguments.per_second, progress)
            if not arguments.dry_run:
                found.require_at_most(arguments.at_most)
        except SweepRefusedError as error:
            output.note(f"extauth-http: {error}; nothing was changed")
            return NOT_DONE
        return _end(arguments, api, output, decider, found)


def _end(
    arguments: argparse.Namespace, api: ApiClient, output: Output, decider: Decider, found: Survey
) -> int:
    removed, unknown = found.removed, found.unknown
    if removed and not confirmed(arguments, api, output, _question(removed)):
        return NOT_DONE

    def step(jid: Jid) -> Outcome:
        count = sweep.end_removed(api, decider, jid)
        if count is None:
            message = "the service no longer says no; nothing was changed"
            return Outcome(str(jid), State.NOT_DONE, message, {"ended": 0})
        message = "sessions ended" if api.is_dry_run else f"removed, {count_of(count)} ended"
        return Outcome(str(jid), State.DONE, message, {"ended": count})

    outcomes, is_interrupted = run_each(removed, step, output.progress("ending sessions"))
    outcomes += [
        Outcome(name, State.NOT_KNOWN, f"no answer of the service: {why}", {"ended": 0})
        for name, why in unknown.items()
    ]
    code = 0
    if outcomes or output.as_json:
        facts = {"existing": found.existing, "not_asked": found.not_asked}
        code = output.outcomes(outcomes, connected=found.connected, **facts)
    output.note(found.describe())
    if arguments.dry_run and len(removed) > arguments.at_most:
        output.note(f"without --dry-run, nothing would be done: --at-most is {arguments.at_most}")
        code = NOT_DONE
    return INTERRUPTED if is_interrupted else code


def _question(removed: list[Jid]) -> str:
    return f"End the sessions of {', '.join(map(str, removed))}?"
