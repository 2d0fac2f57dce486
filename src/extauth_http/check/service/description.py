"""Answers of a backend as text for people.

The reasons and details of the built-in kinds hold nothing of a request or a response that may be a
credential, so they are shown as they are. Those of a plugin may hold anything.
"""

import json
from collections.abc import Iterable, Iterator

from extauth_http.backends.registry import BUILT_IN
from extauth_http.program.outcome import Decision
from extauth_http.protocol.verdict import Answer, Mismatch
from extauth_http.terminal.masking import mask_secrets, quotes_nothing

WRONG_URL_REASONS = {"http_401", "http_403", "http_404", "http_405"}
"""Reasons that a wrong url or a missing ``service_auth`` also causes."""

OWNER_HINT = (
    "if both names are the same user, change username_match or username_claim in the configuration"
)


def describe_answer(decision: Decision, secrets: Iterable[str]) -> str:
    """The reason of a decision, and its detail."""
    answer = decision.answer
    text = ": ".join(filter(None, (answer.reason, answer.detail)))
    is_ours = decision.backend is None or decision.backend in BUILT_IN
    return text if is_ours else mask_secrets(text, secrets)


def hints(answer: Answer, secrets: Iterable[str]) -> Iterator[str]:
    """What else is known about an answer that is not a yes."""
    if answer.reason in WRONG_URL_REASONS:
        yield "a wrong url or a missing service_auth also causes this status"
    if answer.mismatch:
        yield from _both_sides(answer.mismatch, list(secrets))
    if answer.reason == "another_user":
        yield OWNER_HINT


def _both_sides(mismatch: Mismatch, secrets: list[str]) -> Iterator[str]:
    found = mismatch.found
    if found is None:
        shown = "none"
    else:
        text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
        is_public = quotes_nothing(text, secrets)
        shown = text if is_public else "not shown, because it may contain a part of a secret"
    yield f"{mismatch.subject} expected: {mismatch.expected}"
    yield f"{mismatch.subject} found:    {shown}"
