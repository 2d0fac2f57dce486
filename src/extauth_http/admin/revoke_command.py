"""``extauth-http user revoke``: verifies a credential, then runs the steps for each user."""

import argparse

from extauth_http.admin import bans, revoke, service, sessions, stored_data
from extauth_http.admin.bans import BanFailedError
from extauth_http.admin.command import (
    INTERRUPTED,
    NOT_DONE,
    UNUSABLE,
    confirmed,
    targets_of,
)
from extauth_http.admin.outcomes import Outcome, State, run_each
from extauth_http.admin.output import Output
from extauth_http.admin.revoke import CredentialAcceptedError, Step, StepStatus
from extauth_http.admin.service import Existence
from extauth_http.admin.user_commands import list_all, notify_and_wait, question
from extauth_http.admin.user_list import UserListError
from extauth_http.config.loader import ConfigError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid
from extauth_http.terminal.prompt import CredentialInputError, read_credential

MARKS = {StepStatus.DONE: "✔", StepStatus.NOTHING_THERE: "✔", StepStatus.SKIPPED: "-"}
"""The marks of steps; all other steps have ✘."""

BAN_REASON = "credential revoked"
"""The reason that ejabberd stores with a ban of ``user revoke --ban``."""


def revoke_user(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``user revoke``"""
    targets = targets_of(arguments)
    if len(targets) > 1 and not arguments.no_verify:
        raise UserListError("a credential can be verified for one user only: add --no-verify")
    sessions.require_served(targets, sessions.list_hosts(api))
    if arguments.ban:
        bans.require_support(api)
    verified: list[Step] = []
    if not arguments.no_verify:
        try:
            verified = [_verify(arguments, targets[0])]
        except (CredentialAcceptedError, CredentialInputError) as error:
            output.note(f"extauth-http: {error}; nothing was changed")
            return NOT_DONE
        except ConfigError as error:
            output.note(f"extauth-http: {error}; nothing was changed")
            return UNUSABLE
    found, failed = list_all(api, targets, output)
    if not found:
        return output.outcomes(list(failed.values()))
    if not confirmed(arguments, api, output, question(found)):
        return NOT_DONE
    notify_and_wait(arguments, api, output, found)

    def step(jid: Jid) -> Outcome:
        if jid not in found:
            return failed[jid]
        steps = [*verified, *revoke.delete_stored(api, jid, keep_caches=arguments.keep_caches)]
        steps += _ban_or_end_sessions(api, jid, is_ban=arguments.ban)
        if api.is_dry_run:
            return Outcome(str(jid), State.DONE, "revoked as far as this ejabberd supports it")
        if arguments.no_fast:
            steps = [each for each in steps if each.name != revoke.FAST_TOKENS]
        steps.append(revoke.check_result(api, jid))
        steps += _left_of_removed_user(arguments, api, jid)
        return outcome_of(jid, steps, "revoked")

    outcomes, is_interrupted = run_each(targets, step, output.progress("revoking"))
    code = output.outcomes(outcomes)
    return INTERRUPTED if is_interrupted else code


def _verify(arguments: argparse.Namespace, jid: Jid) -> Step:
    """Raises CredentialAcceptedError, CredentialInputError and ConfigError."""
    password = read_credential("credential", f"Revoked credential of {jid}: ")
    with service.open_decider(arguments.config) as decider:
        return revoke.verify(decider, jid, password)


def _left_of_removed_user(arguments: argparse.Namespace, api: ApiClient, jid: Jid) -> list[Step]:
    """A step that names what ejabberd still stores, if the service has removed the user. It does
    not change the result of the command. With ``--no-verify`` the service is not asked."""
    if arguments.no_verify:
        return []
    with service.open_decider(arguments.config) as decider:
        answer = service.existence(decider, jid, "user-revoke")
    if answer.existence is not Existence.REMOVED:
        return []
    try:
        data = stored_data.read(api, jid, stored_data.read_groups(api, [jid.host]))
    except ApiError as error:
        text = f"what ejabberd still stores could not be read: {error}"
    else:
        text = f"ejabberd still stores {data.describe()}"
    return [
        Step("removed user", StepStatus.SKIPPED, f"{text}; `extauth-http user purge` deletes it")
    ]


def _ban_or_end_sessions(api: ApiClient, jid: Jid, *, is_ban: bool) -> list[Step]:
    """The sessions end, also if the user cannot be banned. Raises ApiError."""
    if not is_ban:
        return revoke.end_sessions(api, jid)
    try:
        return revoke.ban(api, jid, BAN_REASON)
    except BanFailedError as error:
        failed = Step("ban", StepStatus.IMPOSSIBLE, str(error))
        return [failed, *revoke.end_sessions(api, jid)]


def outcome_of(jid: Jid, steps: list[Step], done: str) -> Outcome:
    """The outcome of a user from its steps. ``done`` is the message if all of them succeeded."""
    statuses = {step.status for step in steps}
    state, message = State.DONE, done
    if StepStatus.IMPOSSIBLE in statuses:
        state, message = State.NOT_KNOWN, f"{done} as far as this ejabberd supports it"
    if StepStatus.FAILED in statuses:
        state, message = State.NOT_DONE, "can still log in"
    lines = [f"{MARKS.get(step.status, '✘')} {step.name}: {step.message}" for step in steps]
    facts = [
        {"step": step.name, "status": step.status.value, "message": step.message} for step in steps
    ]
    return Outcome(str(jid), state, "\n    ".join([message, *lines]), {"steps": facts})
