"""The jwt kind: which signed tokens are accepted, and why others are not."""

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest

from extauth_http.program.decider import Decider
from tests.backends.jwt_issuer import (
    EC,
    ED,
    RSA,
    SECRET,
    STRANGER,
    Issuer,
    claims,
    decider_of,
    reason,
)
from tests.servers.oidc_provider import NoProviderError, oidc_provider
from tests.settings import settings_of
from tests.signals.tokens import SigningKey, without


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=lambda key: key.algorithm)
@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "JWT", None])
def test_a_token_of_the_issuer_lets_in_its_owner_and_nobody_else(
    issuer: Issuer, decider: Decider, key: SigningKey, typ: str | None
) -> None:
    token = key.sign(claims(issuer), typ)
    assert reason(decider, token) == "allowed"
    assert reason(decider, token, "bob") == "another_user"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"iss": "https://evil.example"}, "wrong_issuer"),
        ({"aud": "files"}, "wrong_audience"),
        ({"aud": ["files", "xmpp"]}, "allowed"),
        ({"exp": 1}, "expired"),
        ({"exp": "tomorrow"}, "not_a_token"),
        ({"exp": True}, "not_a_token"),
        ({"nbf": 99_999_999_999}, "not_yet_valid"),
        ({"sub": "bob"}, "another_user"),
        ({"sub": ""}, "claim_empty"),
        ({"sub": ["alice"]}, "claim_not_text"),
        ({"nonce": "n"}, "not_an_access_token"),
        ({"at_hash": "n"}, "not_an_access_token"),
        ({"token_use": "id"}, "not_an_access_token"),
        ({"typ": "Refresh"}, "not_an_access_token"),
        ({"cnf": {"jkt": "x"}}, "sender_constrained"),
        ({"active": False}, "inactive"),
    ],
)
def test_a_signed_claim_can_be_a_reason_to_refuse(
    issuer: Issuer, decider: Decider, changes: dict[str, Any], expected: str
) -> None:
    assert reason(decider, RSA.sign(claims(issuer, **changes))) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("iss", "wrong_issuer"),
        ("aud", "wrong_audience"),
        ("exp", "expired"),
        ("sub", "claim_missing"),
        ("iat", "allowed"),
    ],
)
def test_a_missing_claim_is_a_reason_to_refuse(
    issuer: Issuer, decider: Decider, name: str, expected: str
) -> None:
    assert reason(decider, RSA.sign(without(claims(issuer), name))) == expected


TWICE = b'{"alg": "RS256", "alg": "none"}'


def part(value: Any) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_what_is_no_signed_token_is_refused_without_a_request(
    issuer: Issuer, decider: Decider
) -> None:
    good = RSA.sign(claims(issuer))
    header, payload, signature = good.split(".")
    for token in (
        "secret",
        f"{header}.{payload}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature}.{signature}",
        f".{payload}.{signature}",
        f"{part([])}.{payload}.{signature}",
        f"{part({})}.{payload}.{signature}",
        f"{part({'alg': 1})}.{payload}.{signature}",
        f"{part(b'{')}.{payload}.{signature}",
        f"{part(b'[' * 50_000)}.{payload}.{signature}",
        f"{part(TWICE)}.{payload}.{signature}",
        RSA.sign(claims(issuer), crit=["exp"]),
        RSA.sign(claims(issuer), kid="k" * 513),
        good + "ü",
    ):
        assert reason(decider, token) == "not_a_token", token[:80]
    assert issuer.fetched == 0


def test_no_header_chooses_the_algorithm_or_the_key(issuer: Issuer, decider: Decider) -> None:
    payload = part(claims(issuer))
    for name in ("none", "None", "NONE", "HS256", "RS1", ""):
        token = f"{part({'alg': name})}.{payload}.{part(b'x')}"
        assert reason(decider, token) == "algorithm"
    # HS256 with the public key as the secret.
    signed = f"{part({'alg': 'HS256', 'kid': 'rsa-1'})}.{payload}"
    mac = hmac.digest(RSA.public_pem.encode(), signed.encode(), "sha256")
    assert reason(decider, f"{signed}.{part(mac)}") == "algorithm"
    more: dict[str, Any]
    for more in (
        {"jwk": STRANGER.jwk},
        {"jku": f"{issuer.url}/evil"},
        {"x5u": f"{issuer.url}/evil"},
        {"x5c": ["x"]},
    ):
        assert reason(decider, STRANGER.sign(claims(issuer), **more)) == "signature"
    assert issuer.fetched == 1


def test_a_changed_token_is_refused(issuer: Issuer, decider: Decider) -> None:
    header, _, signature = RSA.sign(claims(issuer)).split(".")
    forged = f"{header}.{part(claims(issuer, sub='bob'))}.{signature}"
    assert reason(decider, forged, "bob") == "signature"


@pytest.mark.parametrize("typ", ["dpop+jwt", "logout+jwt", "secevent+jwt", "id_token"])
def test_a_token_of_another_type_is_refused(issuer: Issuer, decider: Decider, typ: str) -> None:
    assert reason(decider, RSA.sign(claims(issuer), typ)) == "not_an_access_token"


def test_the_types_can_be_limited_as_rfc_9068_requires(issuer: Issuer) -> None:
    decider = decider_of(issuer, types=["at+jwt"])
    assert reason(decider, RSA.sign(claims(issuer), "at+jwt")) == "allowed"
    for typ in ("JWT", None):
        assert reason(decider, RSA.sign(claims(issuer), typ)) == "not_an_access_token"
    decider.close()


def test_only_configured_algorithms_are_accepted(issuer: Issuer) -> None:
    decider = decider_of(issuer, algorithms=["ES256"])
    assert reason(decider, EC.sign(claims(issuer))) == "allowed"
    assert reason(decider, RSA.sign(claims(issuer))) == "algorithm"
    decider.close()


def test_a_claim_that_occurs_twice_is_refused(issuer: Issuer, decider: Decider) -> None:
    body = json.dumps(claims(issuer))[:-1] + ', "sub": "bob"}'
    token = jwt.PyJWS().encode(body.encode(), RSA.private, "RS256", headers={"kid": "rsa-1"})
    assert reason(decider, token) == "not_a_token"
    assert reason(decider, token, "bob") == "not_a_token"


def test_a_real_provider_signs_tokens_for_this_audience(tmp_path: Path) -> None:
    """oidc-provider 9."""
    try:
        with oidc_provider("http://127.0.0.1:1/", SECRET, tmp_path / "stderr") as provider:
            table: dict[str, Any] = {"kind": "jwt", "issuer": provider.issuer, "audience": "xmpp"}
            table |= {"revocation": "at-expiry", "types": ["at+jwt"], "scope": "login"}
            decider = Decider(settings_of(backend=table))
            for client in ("RS256", "ES256"):
                token = provider.issue("alice", client, "xmpp")
                assert reason(decider, token) == "allowed"
                assert reason(decider, token, "bob") == "another_user"
                other = provider.issue("alice", client, "files")
                assert reason(decider, other) == "wrong_audience"
            decider.close()
    except NoProviderError as why:
        pytest.skip(str(why))
