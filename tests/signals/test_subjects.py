"""Which user here a name of the identity provider means."""

import pytest

from extauth_http.signals.receiver import Message
from tests.signals.issuers import (
    RSA,
    logout,
    receiver,
    users,
)
from tests.signals.tokens import (
    logout_claims,
)


@pytest.mark.parametrize(
    ("name", "match", "expected"),
    [
        ("alice", "{user}", "alice"),
        ("Alice", "{user}", "alice"),
        ("alice@corp.example", "{user}@corp.example", "alice"),
        ("alice@corp.example", "{user}", None),
        ("alice@corpxexample", "{user}@corp.example", None),
        (" alice", "{user}", None),
        ("alice ", "{user}", None),
        ("al ice", "{user}", None),
        ("alice/phone", "{user}", None),
        ("CORP\\alice", "CORP\\{user}", "alice"),
        ("@", "{user}", None),
        ("x", "({user})", None),
        ("(x)", "({user})", "x"),
    ],
)
def test_a_name_at_the_issuer_is_a_user_here_or_nobody(
    name: str, match: str, expected: str | None
) -> None:
    message: Message = logout(RSA.sign(logout_claims(sub=name)), receiver(match=match))
    assert users(message) == ([f"{expected}@example.org"] if expected else [])


def test_a_name_can_be_escaped_as_the_backend_expects_it() -> None:
    by = receiver(jid_escape=True)
    message = logout(RSA.sign(logout_claims(sub="alice@corp.example")), by)
    assert users(message) == [r"alice\40corp.example@example.org"]


@pytest.mark.parametrize("claim", ["preferred_username", "xmpp.name"])
def test_the_name_can_be_in_another_claim(claim: str) -> None:
    claims = logout_claims(sub="0f3a", preferred_username="alice", xmpp={"name": "alice"})
    assert users(logout(RSA.sign(claims), receiver(claim=claim))) == ["alice@example.org"]


def test_an_opaque_subject_is_looked_up_later() -> None:
    by = receiver(claim="preferred_username", resolve={"url": "https://login.example.org/u/{sub}"})
    (arrival,) = logout(RSA.sign(logout_claims(sub="0f3a")), by).arrivals
    assert arrival.event.subject.user is None
    assert arrival.event.subject.identifiers == {"sub": "0f3a"}
    named = logout(RSA.sign(logout_claims(sub="0f3a", preferred_username="bob")), by)
    assert users(named) == ["bob@example.org"]
