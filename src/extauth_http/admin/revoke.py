"""The steps that make a revocation final, each with its result.

The order matters. First the service must refuse the credential, then ejabberd deletes what it has
stored of it, then the sessions end, and then the result is checked.
"""

import time
from dataclasses import dataclass
from enum import StrEnum

from extauth_http.admin import bans, service, sessions
from extauth_http.admin.sessions import Session, UserNotFoundError
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.ejabberd_api.releases import Release
from extauth_http.program.decider import Decider
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.jid import Jid, bare
from extauth_http.protocol.verdict import Verdict
from extauth_http.terminal.printable import printable

FIRST_WITH_FAST = Release(24, 12)
"""The first release with ``mod_auth_fast`` (XEP-0484)."""

FIRST_THAT_DELETES_FAST = Release(25, 7)
"""The first release that deletes the FAST tokens of a user whose sessions ``kick_user`` ends,
according to its changelog. Verified: 24.12 does not, 26.07 does."""

RECONNECT_TIME = 2.0  # seconds in which a client that can still log in has reconnected

FAST_TOKENS = "FAST tokens"
"""The name of the step about FAST tokens."""


class StepStatus(StrEnum):
    """The result of a step."""

    DONE = "done"
    NOTHING_THERE = "nothing there"
    IMPOSSIBLE = "not possible here"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a revocation, and its result."""

    name: str
    status: StepStatus
    message: str


class CredentialAcceptedError(Exception):
    """The service does not refuse the credential, or this is unknown. Nothing was changed."""


def verify(decider: Decider, jid: Jid, password: str) -> Step:
    """Sends ``auth`` to the backend. Raises CredentialAcceptedError unless the verdict is DENY."""
    command = Command(Operation.AUTH, jid.user, jid.host, password)
    answer = service.decide(decider, command, "user-revoke").answer
    why = service.explain(answer)
    if answer.verdict is Verdict.ALLOW:
        raise CredentialAcceptedError(
            f"the service still accepts this credential of {jid} ({why}): revoke it there first"
        )
    if answer.verdict is Verdict.UNDECIDED:
        raise CredentialAcceptedError(
            f"it is not known whether the service refuses the credential of {jid} ({why}): try "
            "again, or use --no-verify"
        )
    return Step("credential", StepStatus.DONE, f"the service refuses it: {why}")


def delete_stored(api: ApiClient, jid: Jid, *, keep_caches: bool) -> list[Step]:
    """Deletes what ejabberd has stored besides sessions: caches and OAuth tokens. Raises ApiError
    if the server cannot be called."""
    return [_clear_cache(api, keep_caches=keep_caches), revoke_oauth_tokens(api, jid)]


def end_sessions(api: ApiClient, jid: Jid) -> list[Step]:
    """Ends all sessions, and with them the FAST tokens, if the server deletes those on a kick.

    The server does so only for ``kick_user``, and only if the user has a session. Returns no steps
    in a dry run. Raises ApiError.
    """
    count = sessions.kick(api, jid)
    if count is None:
        return []
    if count:
        return [Step("sessions", StepStatus.DONE, f"{count} ended"), fast_tokens(api, count)]
    return [Step("sessions", StepStatus.NOTHING_THERE, _why_none(api, jid)), fast_tokens(api, 0)]


def ban(api: ApiClient, jid: Jid, reason: str) -> list[Step]:
    """Bans a user, which also ends all sessions and deletes the FAST tokens, even those of a user
    without a session. A ban that exists is not changed, and only the sessions end.

    Returns no steps in a dry run. Raises BanFailedError and ApiError.
    """
    name = "ban"
    existing = bans.read(api, jid)
    if existing:
        ended = [step for step in end_sessions(api, jid) if step.name != FAST_TOKENS]
        return [Step(name, StepStatus.DONE, f"since {existing.since}"), *ended]
    count = len(sessions.list_sessions(api, jid))
    bans.ban(api, jid, reason)
    if api.is_dry_run:
        return []
    return [
        Step(name, StepStatus.DONE, "ejabberd refuses every password of the user"),
        Step("sessions", StepStatus.DONE, f"{count} ended")
        if count
        else Step("sessions", StepStatus.NOTHING_THERE, "none"),
        Step(FAST_TOKENS, StepStatus.DONE, "ejabberd deletes them when it bans a user"),
    ]


def _why_none(api: ApiClient, jid: Jid) -> str:
    """A mistyped name has no session either. It must not look like a successful revocation."""
    try:
        sessions.require_known(api, jid)
    except UserNotFoundError as error:
        return f"none; {error}: correct if the account was removed too, otherwise check the name"
    except ApiError:
        return "none"
    return "none"


def check_result(api: ApiClient, jid: Jid) -> Step:
    """Checks, after a client had the time to reconnect, that no session and no OAuth token is
    left. Immediately after a kick, ejabberd still lists the sessions that it ends."""
    name = "afterwards"
    try:
        time.sleep(RECONNECT_TIME)
        left = sessions.list_sessions(api, jid)
    except ApiError as error:
        return Step(name, StepStatus.IMPOSSIBLE, f"the sessions could not be listed: {error}")
    if left:
        return Step(
            name,
            StepStatus.FAILED,
            f"new session: {describe(left)}; another way to log in is open: `extauth-http check "
            "--ejabberd-yml` names it",
        )
    try:
        tokens = len(oauth_tokens(api, jid))
    except ApiError:
        return Step(name, StepStatus.DONE, "no session")
    if tokens:
        return Step(name, StepStatus.FAILED, f"no session, but OAuth tokens are left ({tokens})")
    return Step(name, StepStatus.DONE, "no session, no OAuth token")


def describe(listed: list[Session]) -> str:
    """Resources and addresses, safe for a terminal."""
    return ", ".join(f"{printable(session.resource)} from {session.ip}" for session in listed)


def _clear_cache(api: ApiClient, *, keep_caches: bool) -> Step:
    name = "login cache"
    if keep_caches:
        return Step(name, StepStatus.SKIPPED, "--keep-caches")
    try:
        api.change("clear_cache")
    except ApiError as error:
        if not error.is_refused:
            raise
        # The sessions end nevertheless.
        return Step(name, StepStatus.IMPOSSIBLE, f"ejabberd refused: {error}")
    return Step(
        name, StepStatus.DONE, "cleared, with all caches of ejabberd: the API cannot clear only one"
    )


def revoke_oauth_tokens(api: ApiClient, jid: Jid) -> Step:
    """Raises ApiError if the server cannot be called."""
    name = "OAuth tokens"
    try:
        tokens = oauth_tokens(api, jid)
        for token in tokens:
            api.change("oauth_revoke_token", token=token)
    except ApiError as error:
        if not error.is_refused:
            raise
        return Step(name, StepStatus.IMPOSSIBLE, f"ejabberd refused: {error}")
    if not tokens:
        return Step(name, StepStatus.NOTHING_THERE, "ejabberd lists none")
    return Step(name, StepStatus.DONE, f"{len(tokens)} revoked")


def oauth_tokens(api: ApiClient, jid: Jid) -> list[str]:
    """The OAuth tokens of a user. Raises ApiError."""
    listed = api.query_list(
        "oauth_list_tokens", lambda each: (str(each["user"]), str(each["token"]))
    )
    return [token for user, token in listed if bare(user) == str(jid)]


def fast_tokens(api: ApiClient, ended: int) -> Step:
    """What happened to the FAST tokens when ``kick_user`` ended so many sessions. Raises
    ApiError."""
    release = api.release
    if release is None:
        return Step(FAST_TOKENS, StepStatus.IMPOSSIBLE, "the release of ejabberd is not known")
    if release < FIRST_WITH_FAST:
        return Step(FAST_TOKENS, StepStatus.NOTHING_THERE, "this release has none")
    if release < FIRST_THAT_DELETES_FAST:
        return Step(
            FAST_TOKENS,
            StepStatus.IMPOSSIBLE,
            f"ejabberd {release} has no command that is known to delete them. If mod_auth_fast is "
            "enabled, a client with such a token can log in until it expires: remove mod_auth_fast "
            "from modules. If it is not enabled, add --no-fast",
        )
    if not ended:
        return Step(
            FAST_TOKENS,
            StepStatus.IMPOSSIBLE,
            "ejabberd deletes them only when it ends a session, and there was none. If "
            "mod_auth_fast is enabled, a client with such a token can log in: run this again when "
            "the user has a session, or with --ban (25.08 and newer). If it is not enabled, add "
            "--no-fast",
        )
    return Step(
        FAST_TOKENS, StepStatus.DONE, "ejabberd deletes them when it ends the sessions of a user"
    )
