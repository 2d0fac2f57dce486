"""``extauth-http user purge``"""

import argparse
from collections.abc import Callable

from extauth_http.admin import purge, service, sessions, stored_data
from extauth_http.admin.command import INTERRUPTED, targets_of
from extauth_http.admin.outcomes import Outcome, State, run_each
from extauth_http.admin.output import Output
from extauth_http.admin.stored_data import Groups, StoredData
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.protocol.jid import Jid

REQUEST_ID = "user-purge"


def purge_users(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``user purge``"""
    targets = targets_of(arguments)
    sessions.require_served(targets, sessions.list_hosts(api))
    if arguments.no_verify:
        return _run(arguments, api, output, targets, lambda _: None)
    with service.open_decider(arguments.config) as decider:

        def verify(jid: Jid) -> None:
            purge.require_removed(jid, service.existence(decider, jid, REQUEST_ID))

        return _run(arguments, api, output, targets, verify)


def _run(
    arguments: argparse.Namespace,
    api: ApiClient,
    output: Output,
    targets: list[Jid],
    verify: Callable[[Jid], None],
) -> int:
    hosts = dict.fromkeys(jid.host for jid in targets)
    groups = stored_data.read_groups(api, hosts, output.progress("reading rooms"))

    def step(jid: Jid) -> Outcome:
        verify(jid)
        before = stored_data.read(api, jid, groups)
        output.note(f"{jid}: {before.describe()}{_unreadable(before)}")
        if not (arguments.yes or api.is_dry_run):
            return Outcome(
                str(jid), State.NOT_DONE, "nothing was changed: add --yes", _facts(before)
            )
        return _purge(api, jid, groups, before)

    outcomes, is_interrupted = run_each(targets, step, output.progress("deleting"))
    code = output.outcomes(outcomes)
    return INTERRUPTED if is_interrupted else code


def _purge(api: ApiClient, jid: Jid, groups: Groups, before: StoredData) -> Outcome:
    refused = purge.purge(api, jid, groups)
    facts = _facts(before)
    if api.is_dry_run:
        return Outcome(str(jid), State.DONE, "deleted", facts)
    hosts = dict.fromkeys(host for _, host in groups.members or {}) or [jid.host]
    after = stored_data.read(api, jid, stored_data.read_groups(api, hosts))
    facts["left"] = after.found
    rest = purge.describe_rest(after, refused)
    if rest:
        return Outcome(str(jid), State.NOT_DONE, f"not everything was deleted; {rest}", facts)
    message = f"deleted, and read again{_unreadable(after)}. Not deleted: {purge.COPIES}"
    return Outcome(str(jid), State.DONE, message, facts)


def _unreadable(data: StoredData) -> str:
    names = ", ".join(data.unreadable)
    return f" (this ejabberd does not show: {names})" if names else ""


def _facts(data: StoredData) -> dict[str, object]:
    return {"found": data.found, "not_shown": data.unreadable}
