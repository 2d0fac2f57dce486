"""Which Security Event Tokens end sessions, and why others do not."""

from typing import Any

import pytest

from extauth_http.signals.rejection import Reason
from tests.signals.issuers import (
    RSA,
    receiver,
    rejected,
    security_event,
    users,
)
from tests.signals.tokens import (
    CAEP,
    ISSUER,
    LOGOUT_EVENT,
    RISC,
    In,
    at,
    dated,
    logout_claims,
    set_claims,
    without,
)


@pytest.mark.parametrize(
    "kind",
    [
        f"{CAEP}session-revoked",
        f"{CAEP}credential-change",
        f"{RISC}account-disabled",
        f"{RISC}account-purged",
        f"{RISC}sessions-revoked",
    ],
)
@pytest.mark.parametrize("typ", ["secevent+jwt", "JWT", None])
def test_a_security_event_ends_the_sessions_of_its_user(kind: str, typ: str | None) -> None:
    message = security_event(RSA.sign(set_claims(kind), typ))
    assert users(message) == ["alice@example.org"]
    assert message.arrivals[0].event.reason == kind.rpartition("/")[2]


IGNORED = [
    pytest.param(set_claims(f"{CAEP}device-compliance-change"), id="another event"),
    pytest.param(
        set_claims(
            "https://schemas.openid.net/secevent/ssf/event-type/verification", {"state": "x"}
        ),
        id="verification",
    ),
    pytest.param(set_claims(f"{CAEP}credential-change", {"change_type": "create"}), id="added"),
    pytest.param(
        set_claims(sub_id={"format": "iss_sub", "iss": ISSUER, "sub": "a@b"}),
        id="a name that is no user here",
    ),
    pytest.param(set_claims(LOGOUT_EVENT), id="a logout token sent to the wrong place"),
]


@pytest.mark.parametrize("claims", IGNORED)
def test_an_event_without_a_meaning_here_is_accepted_and_has_no_effect(
    claims: dict[str, Any],
) -> None:
    message = security_event(RSA.sign(claims, "secevent+jwt"))
    assert (message.arrivals, bool(message.note)) == ((), True)


SUBJECTS = [
    pytest.param({"format": "iss_sub", "iss": ISSUER, "sub": "alice"}, id="iss_sub"),
    pytest.param({"subject_type": "iss-sub", "iss": ISSUER, "sub": "alice"}, id="a draft"),
    pytest.param({"format": "opaque", "id": "alice"}, id="opaque"),
    pytest.param(
        {
            "format": "complex",
            "user": {"format": "opaque", "id": "alice"},
            "session": {"format": "opaque", "id": "s1"},
        },
        id="complex",
    ),
]


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("place", ["sub_id", "event"])
def test_the_subject_is_read_in_each_form(subject: dict[str, Any], place: str) -> None:
    if place == "sub_id":
        claims = set_claims(sub_id=subject)
    else:
        claims = without(set_claims(event={"subject": subject}), "sub_id")
    assert users(security_event(RSA.sign(claims))) == ["alice@example.org"]


def test_an_email_address_is_matched() -> None:
    claims = set_claims(sub_id={"format": "email", "email": "Alice@Example.org"})
    by = receiver(claim="email", match="{user}@{host}")
    assert users(security_event(RSA.sign(claims), by)) == ["alice@example.org"]
    other = set_claims(sub_id={"format": "email", "email": "alice@example.org.evil.example"})
    assert users(security_event(RSA.sign(other), by)) == []


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(
            {"format": "iss_sub", "iss": "https://evil.example", "sub": "alice"},
            id="of another issuer",
        ),
        pytest.param({"format": "iss_sub", "sub": "alice"}, id="of no issuer"),
        pytest.param({"format": "phone_number", "phone_number": "+1"}, id="a phone number"),
        pytest.param(
            {"format": "complex", "session": {"format": "opaque", "id": "s"}},
            id="a session of the provider",
        ),
        pytest.param({"format": "complex", "user": "alice"}, id="a user that is text"),
        pytest.param({"format": ["iss_sub"]}, id="a format that is a list"),
        pytest.param("alice", id="text"),
    ],
)
def test_a_subject_that_names_no_user_is_rejected(subject: Any) -> None:
    token = RSA.sign(set_claims(sub_id=subject))
    assert rejected(token, as_set=True) is Reason.WRONG_SUBJECT


@pytest.mark.parametrize(
    "events", [None, {}, [], {f"{CAEP}session-revoked": 1}, {f"e{n}": {} for n in range(99)}]
)
def test_a_token_without_events_is_rejected(events: Any) -> None:
    """An ID token or an access token of the same issuer, for example."""
    assert rejected(RSA.sign(set_claims(events=events)), as_set=True) is Reason.WRONG_EVENT


def test_a_logout_token_is_no_security_event_and_the_other_way_round() -> None:
    assert rejected(RSA.sign(set_claims(), "secevent+jwt")) is Reason.TOKEN_TYPE
    logged_out = RSA.sign(logout_claims(), "logout+jwt")
    assert rejected(logged_out, as_set=True) is Reason.TOKEN_TYPE


def test_several_events_of_one_token_are_one_user_each() -> None:
    events: dict[str, Any] = {f"{CAEP}session-revoked": {}, f"{RISC}account-disabled": {}}
    assert users(security_event(RSA.sign(set_claims(events=events)))) == ["alice@example.org"]


@pytest.mark.parametrize(
    ("changes", "event", "unit", "age"),
    [
        pytest.param({"iat": In(-600)}, {}, 1, 600, id="iat"),
        pytest.param({"toe": In(-700)}, {}, 1, 700, id="toe"),
        pytest.param({"toe": In(-700)}, {"event_timestamp": In(-800)}, 1, 800, id="CAEP"),
        pytest.param({}, {"event_timestamp": In(-800)}, 1000, 800, id="milliseconds"),
    ],
)
def test_an_event_happened_when_its_token_says(
    changes: dict[str, Any], event: dict[str, Any], unit: int, age: int
) -> None:
    now = at(0)
    event = {name: value * unit for name, value in dated(event).items()}
    message = security_event(RSA.sign(set_claims(event=event, **dated(changes))))
    assert message.arrivals[0].event.occurred == pytest.approx(now - age + 30, abs=2)


def test_a_security_event_may_be_delivered_much_later() -> None:
    assert users(security_event(RSA.sign(set_claims(iat=at(-80_000)))))
    assert rejected(RSA.sign(set_claims(iat=at(-90_000))), as_set=True) is Reason.EXPIRED
