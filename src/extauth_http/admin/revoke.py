"""Everything that makes the end of a credential final, each step with what came of it.

The order matters: first the service refuses it, then ejabberd forgets what it kept of it, then the
sessions end, and then it is looked whether anybody is back.
"""

import time
from dataclasses import dataclass
from enum import StrEnum

from extauth_http.admin import users
from extauth_http.admin.users import UserNotFoundError
from extauth_http.admin.visible import visible
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.program.decider import Decider
from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.jid import Jid, bare
from extauth_http.protocol.verdict import Verdict

FAST_CAME = (24, 12)
"""The release that has ``mod_auth_fast`` (XEP-0484)."""

FAST_CLEARED = (26, 7)
"""The release that was seen to forget a user's FAST tokens when the user is kicked. 24.12 was seen
not to; what came between was not tried."""

BACK_AGAIN = 2.0  # seconds in which a client that may come back has done so


class StepStatus(StrEnum):
    """What came of a step."""

    DONE = "done"
    NOTHING_THERE = "nothing there"
    IMPOSSIBLE = "not possible here"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Step:
    """One of the things that make a revocation final, and what came of it."""

    what: str
    came: StepStatus
    said: str


class CredentialAcceptedError(Exception):
    """The service does not refuse the credential, or does not tell: nothing was done."""


def verify(decider: Decider, jid: Jid, password: str) -> Step:
    """Asks the backend as the port program would. Raises StillGood for everything but a no."""
    command = Command(Operation.AUTH, jid.user, jid.host, password)
    due = time.monotonic() + decider.deadline
    answer = decider.decide(command, due, "user-revoke").answer
    why = " ".join(filter(None, (answer.reason, answer.detail and f"({answer.detail})")))
    if answer.verdict is Verdict.ALLOW:
        raise CredentialAcceptedError(
            f"the service still lets {jid} in with this credential ({why}): revoke it there first"
        )
    if answer.verdict is Verdict.UNDECIDED:
        raise CredentialAcceptedError(
            f"whether the service refuses {jid} is not known: {why}; try again, or --no-verify"
        )
    return Step("credential", StepStatus.DONE, f"the service refuses it: {why}")


def forget(api: ApiClient, jid: Jid, *, keep_caches: bool) -> list[Step]:
    """What ejabberd keeps beside sessions. Raises ApiError where it cannot be asked at all."""
    return [_cache(api, keep_caches=keep_caches), _oauth(api, jid)]


def end(api: ApiClient, jid: Jid) -> list[Step]:
    """The sessions, and with them FAST tokens where the server clears those on a kick: it does so
    for ``kick_user`` alone, and only where there is a session to end."""
    count = users.kick(api, jid)
    if count is None:
        return []
    if count:
        return [Step("sessions", StepStatus.DONE, f"{count} ended"), _fast(api, count)]
    return [Step("sessions", StepStatus.NOTHING_THERE, _why_none(api, jid)), _fast(api, 0)]


def _why_none(api: ApiClient, jid: Jid) -> str:
    """A mistyped name has no session either: it must not look like somebody's end."""
    try:
        users.must_be_known(api, jid)
    except UserNotFoundError as why:
        return f"none; {why}: right where the account is gone as well, else look at the name"
    except ApiError:
        return "none"
    return "none"


def look_again(api: ApiClient, jid: Jid) -> Step:
    """What is left when whoever may come back has had the time to. At once, ejabberd still lists
    sessions that it has just ended."""
    what = "afterwards"
    try:
        time.sleep(BACK_AGAIN)
        left = users.sessions(api, jid)
    except ApiError as error:
        return Step(what, StepStatus.IMPOSSIBLE, f"who is on could not be looked at: {error}")
    if not left:
        try:
            tokens = len(_tokens(api, jid))
        except ApiError:
            return Step(what, StepStatus.DONE, "no session")
        if not tokens:
            return Step(what, StepStatus.DONE, "no session, no OAuth token")
        return Step(what, StepStatus.FAILED, f"no session, but an OAuth token is left ({tokens})")
    where = ", ".join(f"{visible(session.resource)} from {session.ip}" for session in left)
    return Step(
        what,
        StepStatus.FAILED,
        f"on again: {where}; whoever that is got in by a way that is still open: "
        "`extauth-http check --ejabberd-yml` names them",
    )


def _cache(api: ApiClient, *, keep_caches: bool) -> Step:
    if keep_caches:
        return Step("login cache", StepStatus.SKIPPED, "--keep-caches")
    try:
        api.change("clear_cache")
    except ApiError as error:
        if not error.is_refused:
            raise
        # The sessions end all the same.
        return Step("login cache", StepStatus.IMPOSSIBLE, f"ejabberd would not: {error}")
    return Step(
        "login cache",
        StepStatus.DONE,
        "cleared, with all of ejabberd's caches: the API has no narrower way",
    )


def _oauth(api: ApiClient, jid: Jid) -> Step:
    what = "OAuth tokens"
    try:
        tokens = _tokens(api, jid)
        for token in tokens:
            api.change("oauth_revoke_token", token=token)
    except ApiError as error:
        if not error.is_refused:
            raise
        return Step(what, StepStatus.IMPOSSIBLE, f"ejabberd would not: {error}")
    if not tokens:
        return Step(what, StepStatus.NOTHING_THERE, "none that ejabberd lists")
    return Step(what, StepStatus.DONE, f"{len(tokens)} revoked")


def _tokens(api: ApiClient, jid: Jid) -> list[str]:
    listed = api.query_list("oauth_list_tokens", lambda one: (str(one["user"]), str(one["token"])))
    return [token for user, token in listed if bare(user) == str(jid)]


def _fast(api: ApiClient, ended: int) -> Step:
    what = "FAST tokens"
    release = api.release
    if release is None:
        return Step(what, StepStatus.IMPOSSIBLE, "which release this is, ejabberd does not tell")
    if release < FAST_CAME:
        return Step(what, StepStatus.NOTHING_THERE, "this release has none")
    if release >= FAST_CLEARED and ended:
        return Step(what, StepStatus.DONE, "ejabberd clears them as it ends a user's sessions")
    if release >= FAST_CLEARED:
        return Step(
            what,
            StepStatus.IMPOSSIBLE,
            "ejabberd clears them only as it ends a session, and there was none: with "
            "mod_auth_fast on, a client that has one gets in; run this again when the user is on, "
            "or add --no-fast where mod_auth_fast is not there",
        )
    year, month = release
    return Step(
        what,
        StepStatus.IMPOSSIBLE,
        f"ejabberd {year}.{month:02} has no command that is known to clear them: with "
        "mod_auth_fast on, a client that has one gets in until it expires; take mod_auth_fast out "
        "of modules, or add --no-fast where it is not there",
    )
