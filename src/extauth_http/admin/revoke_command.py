"""``extauth-http user revoke``: verifies a credential, then runs the steps for each user."""

import argparse

from extauth_http.admin import revoke, sessions
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
from extauth_http.admin.user_commands import list_all, notify_and_wait, question
from extauth_http.admin.user_list import UserListError
from extauth_http.backends.registry import load
from extauth_http.config.loader import ConfigError, config_file
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.program.decider import Decider
from extauth_http.protocol.jid import Jid
from extauth_http.terminal.prompt import CredentialInputError, read_credential

MARKS = {StepStatus.DONE: "✔", StepStatus.NOTHING_THERE: "✔", StepStatus.SKIPPED: "-"}
"""The marks of steps; all other steps have ✘."""


def revoke_user(arguments: argparse.Namespace, api: ApiClient, output: Output) -> int:
    """``user revoke``"""
    targets = targets_of(arguments)
    if len(targets) > 1 and not arguments.no_verify:
        raise UserListError("a credential can be verified for one user only: add --no-verify")
    sessions.require_served(targets, sessions.list_hosts(api))
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
        steps += revoke.end_sessions(api, jid)
        if api.is_dry_run:
            return Outcome(str(jid), State.DONE, "revoked as far as this ejabberd supports it")
        if arguments.no_fast:
            steps = [each for each in steps if each.name != revoke.FAST_TOKENS]
        return _outcome(jid, [*steps, revoke.check_result(api, jid)])

    outcomes, is_interrupted = run_each(targets, step, output.progress("revoking"))
    code = output.outcomes(outcomes)
    return INTERRUPTED if is_interrupted else code


def _verify(arguments: argparse.Namespace, jid: Jid) -> Step:
    """Raises CredentialAcceptedError, CredentialInputError and ConfigError."""
    password = read_credential("credential", f"Revoked credential of {jid}: ")
    settings = load(config_file(arguments.config))
    try:
        decider = Decider(settings)
    except Exception as error:  # noqa: BLE001 - the backend of a plugin may raise anything
        raise ConfigError([f"the backend cannot be used: {type(error).__name__}"]) from None
    try:
        return revoke.verify(decider, jid, password)
    finally:
        decider.close()


def _outcome(jid: Jid, steps: list[Step]) -> Outcome:
    statuses = {step.status for step in steps}
    state, message = State.DONE, "revoked"
    if StepStatus.IMPOSSIBLE in statuses:
        state, message = State.NOT_KNOWN, "revoked as far as this ejabberd supports it"
    if StepStatus.FAILED in statuses:
        state, message = State.NOT_DONE, "can still log in"
    lines = [f"{MARKS.get(step.status, '✘')} {step.name}: {step.message}" for step in steps]
    facts = [
        {"step": step.name, "status": step.status.value, "message": step.message} for step in steps
    ]
    return Outcome(str(jid), state, "\n    ".join([message, *lines]), {"steps": facts})
