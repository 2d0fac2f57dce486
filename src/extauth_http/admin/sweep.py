"""Finds the connected users whom the service no longer has, and ends their sessions.

Only an explicit no of the service ends a session, and only if the service repeats it immediately
before. A service that lost its table says no for everybody: ``Survey.require_at_most`` refuses
then.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from extauth_http.admin import revoke, service, sessions
from extauth_http.admin.service import Existence
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.program.decider import Decider
from extauth_http.protocol.jid import Jid

REQUEST_ID = "user-sweep"
DEFAULT_AT_MOST = 20  # users
DEFAULT_PER_SECOND = 50.0  # requests
MAX_UNKNOWN_IN_A_ROW = 10
"""After so many requests without an answer the service counts as down, and a sweep stops: each of
them can take the whole deadline."""


class SweepRefusedError(Exception):
    """A sweep would end too many sessions, or cannot know which. Nothing was changed."""


@dataclass(slots=True)
class Survey:
    """The answers of the service about the connected users.

    ``unknown`` has the reason for each user without a yes or a no. ``not_asked`` counts the users
    about whom the configuration asks no service.
    """

    existing: int = 0
    removed: list[Jid] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    not_asked: int = 0

    @property
    def connected(self) -> int:
        return self.existing + len(self.removed) + len(self.unknown) + self.not_asked

    def require_at_most(self, limit: int) -> None:
        """Raises SweepRefusedError."""
        if len(self.removed) > limit:
            raise SweepRefusedError(
                f"the service says no for {len(self.removed)} of {self.connected} connected users, "
                f"and at most {limit} are allowed"
            )

    def describe(self) -> str:
        parts = [f"{self.connected} users are connected: {self.existing} exist"]
        parts.append(f"{len(self.removed)} removed")
        parts.append(f"{len(self.unknown)} without an answer")
        if self.not_asked:
            parts.append(f"{self.not_asked} not asked about (the backend has a fixed isuser)")
        return ", ".join(parts)


Progress = Callable[[Sequence[str]], Iterable[str]]


def survey(
    api: ApiClient,
    decider: Decider,
    hosts: Collection[str],
    per_second: float,
    progress: Progress = iter,
) -> Survey:
    """Sends ``isuser`` for each connected user of these hosts, all if empty.

    Raises SweepRefusedError if the service gives no answers, and ApiError.
    """
    found = Survey()
    in_a_row = 0
    due = time.monotonic()
    for name in progress(_connected(api, hosts)):
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due, time.monotonic() - 1.0) + 1.0 / per_second
        in_a_row = in_a_row + 1 if _ask(decider, name, found) else 0
        if in_a_row == MAX_UNKNOWN_IN_A_ROW:
            why = next(reversed(found.unknown.values()))
            raise SweepRefusedError(f"the service gives no answer: {why}")
    return found


def _ask(decider: Decider, name: str, found: Survey) -> bool:
    """Adds the answer about one user. Returns whether there was none."""
    try:
        jid = Jid.parse(name)
    except ValueError:
        found.unknown[name] = "this name cannot be sent to the service"
        return False
    answer = service.existence(decider, jid, REQUEST_ID)
    match answer.existence:
        case Existence.EXISTS:
            found.existing += 1
        case Existence.REMOVED:
            found.removed.append(jid)
        case Existence.NOT_ASKED:
            found.not_asked += 1
        case Existence.UNKNOWN:
            found.unknown[name] = answer.why
    return answer.existence is Existence.UNKNOWN


def end_removed(api: ApiClient, decider: Decider, jid: Jid) -> int | None:
    """Ends the sessions of a user and revokes the OAuth tokens, if the service says no again.

    Returns the number of sessions; None if the service does not say no. Raises ApiError.
    """
    if service.existence(decider, jid, REQUEST_ID).existence is not Existence.REMOVED:
        return None
    revoke.revoke_oauth_tokens(api, jid)
    return sessions.kick(api, jid) or 0


def _connected(api: ApiClient, hosts: Collection[str]) -> list[str]:
    """The bare JIDs of all sessions. Raises ApiError."""
    listed = api.query_list("connected_users", lambda each: str(each).partition("/")[0])
    return [name for name in dict.fromkeys(listed) if not hosts or name.partition("@")[2] in hosts]
