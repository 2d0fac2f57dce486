"""``extauth-http user ban``, ``unban`` and ``bans``."""

import argparse

from extauth_http.admin import bans, revoke, sessions
from extauth_http.admin.command import DONE, INTERRUPTED, NOT_DONE, confirmed, targets_of
from extauth_http.admin.outcomes import Outcome, State, run_each
from extauth_http.admin.output import Output
from extauth_http.admin.revoke import StepStatus
from extauth_http.admin.revoke_command import outcome_of
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.protocol.jid import Jid


def ban(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``user ban``"""
    targets = targets_of(arguments)
    bans.require_support(api)
    sessions.require_served(targets, sessions.list_hosts(api))
    if not confirmed(arguments, api, output, f"Ban {_names(targets)}?"):
        return NOT_DONE

    def step(jid: Jid) -> Outcome:
        steps = revoke.ban(api, jid, arguments.reason)
        tokens = revoke.revoke_oauth_tokens(api, jid)
        if api.is_dry_run:
            return Outcome(str(jid), State.DONE, "banned")
        if tokens.status is StepStatus.DONE:
            sessions.kick(api, jid)  # a token can have opened a session after the ban
        return outcome_of(jid, [*steps, tokens, revoke.check_result(api, jid)], "banned")

    outcomes, is_interrupted = run_each(targets, step, output.progress("banning"))
    code = output.outcomes(outcomes)
    return INTERRUPTED if is_interrupted else code


def unban(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``user unban``"""
    targets = targets_of(arguments)
    bans.require_support(api)
    sessions.require_served(targets, sessions.list_hosts(api))

    def step(jid: Jid) -> Outcome:
        if bans.read(api, jid) is None:
            return Outcome(str(jid), State.DONE, "was not banned")
        bans.unban(api, jid)
        return Outcome(str(jid), State.DONE, "no longer banned")

    outcomes, is_interrupted = run_each(targets, step, output.progress("unbanning"))
    code = output.outcomes(outcomes)
    return INTERRUPTED if is_interrupted else code


def show_bans(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``user bans``"""
    bans.require_support(api)
    hosts = sessions.list_hosts(api)
    found = []
    for host in hosts:
        for jid in bans.banned_users(api, host):
            each = bans.read(api, jid)
            if each:  # None if the ban was lifted in the meantime
                found.append((jid, each))
    facts = [{"user": str(jid), "since": each.since, "reason": each.reason} for jid, each in found]
    if not found:
        output.result("no user is banned", {"bans": []})
        return DONE
    rows = [(jid, each.since, each.reason) for jid, each in found]
    output.table(("user", "since", "reason"), rows, {"bans": facts})
    return DONE


def _names(targets: list[Jid]) -> str:
    return str(targets[0]) if len(targets) == 1 else f"{len(targets)} users"
