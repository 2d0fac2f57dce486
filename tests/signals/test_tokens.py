"""Which logout tokens end sessions, and why others do not."""

import base64
import json
from typing import Any

import jwt
import pytest

from extauth_http.signals.events import Source
from extauth_http.signals.rejection import Reason
from tests.signals.issuers import (
    CLIENT_SECRET,
    EC,
    ED,
    OTHER,
    RSA,
    logout,
    oct_jwks,
    receiver,
    rejected,
    users,
)
from tests.signals.tokens import (
    ISSUER,
    LOGOUT_EVENT,
    In,
    SigningKey,
    at,
    dated,
    logout_claims,
    rsa_key,
    without,
)

FAR = 400_000


def encoded(header: Any, claims: Any, signature: bytes = b"x") -> str:
    parts = [
        json.dumps(each).encode() if not isinstance(each, bytes) else each
        for each in (header, claims)
    ]
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature)
    )


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=lambda key: key.algorithm)
@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "JWT", None])
def test_a_logout_token_ends_the_sessions_of_its_user(key: SigningKey, typ: str | None) -> None:
    message = logout(key.sign(logout_claims(), typ))
    assert users(message) == ["alice@example.org"]
    (arrival,) = message.arrivals
    assert arrival.event.source is Source.LOGOUT_TOKEN
    assert (arrival.event.sender, arrival.event.reason) == (ISSUER, "logout")


def test_a_token_of_glewlwyd_without_exp_is_valid_while_iat_is_recent() -> None:
    claims = without(logout_claims(iat=at(-100)), "exp")
    assert users(logout(RSA.sign(claims, "JWT"))) == ["alice@example.org"]
    assert rejected(RSA.sign({**claims, "iat": at(-200)}, "JWT")) is Reason.EXPIRED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"iss": "https://evil.example"}, Reason.UNKNOWN_ISSUER, id="another issuer"),
        pytest.param({"iss": f"{ISSUER}/"}, Reason.UNKNOWN_ISSUER, id="nearly our issuer"),
        pytest.param({"aud": "other"}, Reason.AUDIENCE, id="another audience"),
        pytest.param({"aud": ["other", "more"]}, Reason.AUDIENCE, id="other audiences"),
        pytest.param({"aud": "xmpp2"}, Reason.AUDIENCE, id="nearly our audience"),
        pytest.param({"aud": None}, Reason.AUDIENCE, id="no audience"),
        pytest.param({"exp": In(-60)}, Reason.EXPIRED, id="expired"),
        pytest.param({"iat": In(60), "exp": In(120)}, Reason.ISSUED_IN_FUTURE, id="future"),
        pytest.param({"nbf": In(60)}, Reason.ISSUED_IN_FUTURE, id="not valid yet"),
        pytest.param({"iat": In(-FAR), "exp": In(FAR)}, Reason.EXPIRED, id="valid for years"),
        pytest.param({"iat": "now"}, Reason.MALFORMED, id="iat is text"),
        pytest.param({"iat": True}, Reason.MALFORMED, id="iat is a boolean"),
        pytest.param({"exp": float("nan")}, Reason.MALFORMED, id="exp is not a number"),
        pytest.param({"exp": 10**400}, Reason.MALFORMED, id="exp is no float"),
        pytest.param({"jti": 7}, Reason.MISSING_CLAIM, id="jti is a number"),
        pytest.param({"jti": ""}, Reason.MISSING_CLAIM, id="jti is empty"),
        pytest.param({"jti": "x" * 2000}, Reason.MISSING_CLAIM, id="jti is long"),
        pytest.param({"nonce": "n"}, Reason.NONCE, id="nonce"),
        pytest.param({"nonce": None}, Reason.NONCE, id="nonce is null"),
        pytest.param({"events": {}}, Reason.WRONG_EVENT, id="no event"),
        pytest.param({"events": [LOGOUT_EVENT]}, Reason.WRONG_EVENT, id="events is a list"),
        pytest.param({"events": {LOGOUT_EVENT: "yes"}}, Reason.WRONG_EVENT, id="event is text"),
        pytest.param({"sub": ""}, Reason.NO_SUBJECT, id="sub is empty"),
        pytest.param({"sub": "a\nb"}, Reason.NO_SUBJECT, id="sub has two lines"),
        pytest.param({"sub": "a" * 1000}, Reason.NO_SUBJECT, id="sub is long"),
    ],
)
def test_a_token_with_a_wrong_claim_is_rejected(changes: dict[str, Any], reason: Reason) -> None:
    assert rejected(RSA.sign(logout_claims(**dated(changes)), "logout+jwt")) is reason


@pytest.mark.parametrize("name", ["iat", "jti", "aud", "events", "iss", "sub"])
def test_a_token_without_a_required_claim_is_rejected(name: str) -> None:
    reasons = {
        "aud": Reason.AUDIENCE,
        "events": Reason.WRONG_EVENT,
        "iss": Reason.UNKNOWN_ISSUER,
        "sub": Reason.NO_SUBJECT,
    }
    token = RSA.sign(without(logout_claims(), name), "logout+jwt")
    assert rejected(token) is reasons.get(name, Reason.MISSING_CLAIM)


def test_a_session_of_the_provider_alone_names_no_user() -> None:
    claims = without(logout_claims(sid="08a5019c"), "sub")
    assert rejected(RSA.sign(claims, "logout+jwt")) is Reason.NO_SUBJECT


@pytest.mark.parametrize("skew", [-25, 25])
def test_clocks_may_differ_a_little(skew: int) -> None:
    claims = logout_claims(iat=at(skew), exp=at(skew + 10))
    assert users(logout(RSA.sign(claims, "logout+jwt")))


@pytest.mark.parametrize("typ", ["at+jwt", "secevent+jwt", "dpop+jwt", "id_token"])
def test_a_token_of_another_kind_is_rejected(typ: str) -> None:
    assert rejected(RSA.sign(logout_claims(), typ)) is Reason.TOKEN_TYPE


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b",
        "a.b.c.d",
        encoded({"alg": "none"}, logout_claims(), b""),
        encoded({"alg": "None"}, logout_claims(), b""),
        encoded({"alg": ["RS256"]}, logout_claims()),
        encoded({"alg": "RS256", "kid": 7}, logout_claims()),
        encoded({"alg": "RS256", "kid": "k" * 5000}, logout_claims()),
        encoded({"alg": "RS256"}, b"[" * 30_000),
        encoded({"alg": "RS256"}, b"[]"),
        encoded(b"[]", logout_claims()),
        encoded(b"{", logout_claims()),
        encoded({}, logout_claims()),
        encoded({"alg": "RS256", "crit": ["exp"], "exp": 1}, logout_claims()),
        encoded({"alg": "RS256", "crit": ["b64"], "b64": False}, logout_claims()),
        "é.é.é",
        "\ud800.x.y",
    ],
)
def test_what_is_not_a_signed_jwt_is_rejected(token: str) -> None:
    assert rejected(token) in (Reason.MALFORMED, Reason.ALGORITHM)


def test_no_header_can_choose_the_key_or_the_algorithm() -> None:
    """The attacks of RFC 8725 section 2."""
    claims = logout_claims()
    # The public key as the secret of HS256.
    for secret in (RSA.public_pem, RSA.public_pem.strip(), json.dumps(RSA.jwk)):
        forged = _hmac(claims, secret)
        assert rejected(forged) is Reason.ALGORITHM
        assert rejected(forged, receiver(client_secret=CLIENT_SECRET)) is Reason.SIGNATURE
    # A key in the header.
    own = OTHER.sign(claims, "logout+jwt", jwk=OTHER.jwk, jku="https://evil.example/jwks")
    assert rejected(own) is Reason.SIGNATURE
    # Another algorithm than that of the key.
    assert rejected(_as(EC, claims, "rsa-1")) is Reason.UNKNOWN_KEY
    # A symmetric key in the JWK Set.
    symmetric = receiver(fetch=oct_jwks, client_secret=CLIENT_SECRET)
    assert rejected(_hmac(claims, "secret" * 8), symmetric) is Reason.SIGNATURE
    assert rejected(RSA.sign(claims), symmetric) is Reason.UNKNOWN_KEY


def _hmac(claims: dict[str, Any], secret: str) -> str:
    """HS256 with any text; PyJWT itself refuses a public key."""
    import hashlib
    import hmac

    header = {"alg": "HS256", "kid": "rsa-1", "typ": "logout+jwt"}
    unsigned = encoded(header, claims).rpartition(".")[0]
    digest = hmac.digest(secret.encode(), unsigned.encode(), hashlib.sha256)
    return f"{unsigned}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def _as(key: SigningKey, claims: dict[str, Any], kid: str) -> str:
    return SigningKey(key.algorithm, kid, key.private).sign(claims, "logout+jwt")


def test_a_token_signed_with_the_client_secret_needs_no_kid() -> None:
    token = jwt.encode(logout_claims(), CLIENT_SECRET, "HS256", {"typ": "logout+jwt"})
    assert users(logout(token, receiver(client_secret=CLIENT_SECRET))) == ["alice@example.org"]
    assert rejected(token) is Reason.ALGORITHM
    other = receiver(client_secret="another-client-secret-of-more-than-32-bytes")
    assert rejected(token, other) is Reason.SIGNATURE


def test_a_signature_of_somebody_else_or_a_changed_token_is_rejected() -> None:
    token = RSA.sign(logout_claims(), "logout+jwt")
    head, _, signature = token.split(".")
    changed = encoded({}, logout_claims(sub="bob")).split(".")[1]
    assert rejected(f"{head}.{changed}.{signature}") is Reason.SIGNATURE
    assert rejected(OTHER.sign(logout_claims(), "logout+jwt")) is Reason.SIGNATURE
    assert rejected(rsa_key("new").sign(logout_claims(), "logout+jwt")) is Reason.UNKNOWN_KEY


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits long")
def test_a_short_rsa_key_is_not_used() -> None:
    short = rsa_key("short", bits=1024)
    assert rejected(short.sign(logout_claims()), receiver(short)) is Reason.SIGNATURE


def test_only_configured_algorithms_are_accepted() -> None:
    only_ec = receiver(algorithms=["ES256"])
    assert users(logout(EC.sign(logout_claims()), only_ec))
    assert rejected(RSA.sign(logout_claims()), only_ec) is Reason.ALGORITHM


def test_one_of_several_audiences_is_enough() -> None:
    token = RSA.sign(logout_claims(aud=["other", "xmpp"]))
    assert users(logout(token))
    assert users(logout(RSA.sign(logout_claims(aud="b")), receiver(audience=["a", "b"])))


def test_the_replay_memory_lasts_as_long_as_the_token() -> None:
    end = at(100)
    claims = logout_claims(exp=end)
    first, second = (logout(RSA.sign(claims)).arrivals[0] for _ in range(2))
    assert first.replay_key == second.replay_key
    assert first.replay_until == end + 30
    other = logout(RSA.sign(logout_claims())).arrivals[0]
    assert other.replay_key != first.replay_key
