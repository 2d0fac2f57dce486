"""The jwt kind: keys of the issuer, confirmation, and the configuration."""

from typing import Any

import jwt
import pytest
from pydantic import ValidationError

from extauth_http.backends import issuer_jwks
from extauth_http.program.decider import Decider
from tests.backends.jwt_issuer import (
    RSA,
    SECRET,
    STRANGER,
    Issuer,
    claims,
    decider_of,
    login,
    reason,
)
from tests.integration.service import Service, http
from tests.settings import settings_of
from tests.signals.tokens import rsa_key


def test_keys_are_kept_as_long_as_the_issuer_says(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    decider = decider_of(issuer)
    for _ in range(3):
        assert reason(decider, RSA.sign(claims(issuer))) == "allowed"
    assert issuer.fetched == 1
    decider.close()
    monkeypatch.setattr(issuer_jwks, "MIN_SECONDS", 0.0)
    issuer.cache = "Cache-Control: no-store"
    decider = decider_of(issuer)
    for _ in range(3):
        assert reason(decider, RSA.sign(claims(issuer))) == "allowed"
    assert issuer.fetched == 4
    decider.close()


def test_a_new_key_is_found_and_a_flood_of_unknown_ones_is_not_passed_on(
    issuer: Issuer, decider: Decider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reason(decider, RSA.sign(claims(issuer))) == "allowed"
    unknown = STRANGER.sign(claims(issuer), kid="unknown")
    for _ in range(20):
        assert reason(decider, unknown) == "keys_unavailable"
    assert issuer.fetched == 1
    new = rsa_key("rsa-2")
    issuer.keys = (new,)
    monkeypatch.setattr(issuer_jwks, "FETCH_INTERVAL", 0.0)
    assert reason(decider, new.sign(claims(issuer))) == "allowed"
    assert reason(decider, RSA.sign(claims(issuer))) == "unknown_key"
    assert reason(decider, unknown) == "unknown_key"


def test_a_key_that_was_replaced_under_the_same_name_is_found(
    issuer: Issuer, decider: Decider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reason(decider, RSA.sign(claims(issuer))) == "allowed"
    issuer.keys = (STRANGER,)
    token = STRANGER.sign(claims(issuer))
    assert reason(decider, token) == "signature"
    monkeypatch.setattr("extauth_http.backends.jwt.SIGNATURE_SECONDS", 0.0)
    monkeypatch.setattr(issuer_jwks, "FETCH_INTERVAL", 0.0)
    assert reason(decider, token) == "allowed"


def test_without_keys_there_is_no_verdict(
    issuer: Issuer, decider: Decider, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.is_down = True
    token = RSA.sign(claims(issuer))
    for _ in range(5):
        answer = login(decider, token).answer
        assert (answer.verdict.value, answer.reason) == ("undecided", "keys_unavailable")
    assert issuer.fetched == 1
    issuer.is_down = False
    monkeypatch.setattr(issuer_jwks, "FAILURE_SECONDS", 0.0)
    assert reason(decider, token) == "allowed"


@pytest.mark.parametrize("keys", ["", "{}", "<html>", '{"keys": 1}'])
def test_a_document_without_keys_is_no_verdict(issuer: Issuer, decider: Decider, keys: str) -> None:
    with Service(lambda _, connection: connection.sendall(http(200, keys))) as other:
        decider = decider_of(issuer, jwks_url=other.url)
        assert reason(decider, RSA.sign(claims(issuer))) == "keys_unavailable"
        decider.close()


def test_a_secret_is_used_for_hmac_alone(issuer: Issuer) -> None:
    decider = decider_of(issuer, secret=SECRET)
    token = jwt.encode(claims(issuer), SECRET, "HS256")
    assert reason(decider, token) == "allowed"
    assert reason(decider, token, "bob") == "another_user"
    assert reason(decider, jwt.encode(claims(issuer), SECRET + "x", "HS256")) == "signature"
    assert reason(decider, RSA.sign(claims(issuer))) == "algorithm"
    assert issuer.fetched == 0
    decider.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http(200, '{"active": true, "username": "alice"}'), "allowed"),
        (http(200, '{"active": false}'), "inactive"),
        (http(200, '{"active": true, "username": "bob"}'), "another_user"),
        (http(500), "http_500"),
    ],
)
def test_a_verified_token_is_confirmed_by_the_other_backend(
    issuer: Issuer, answer: bytes, expected: str
) -> None:
    with Service(lambda _, connection: connection.sendall(answer)) as service:
        confirm = {"kind": "introspection", "url": service.url}
        decider = decider_of(issuer, confirm=confirm)
        decision = login(decider, RSA.sign(claims(issuer)))
        assert (decision.answer.reason, decision.backend) == (expected, "introspection")
        assert len(service.requests) == 1
        # What is forged or expired never reaches the service.
        assert reason(decider, STRANGER.sign(claims(issuer))) == "signature"
        assert reason(decider, RSA.sign(claims(issuer, exp=1))) == "expired"
        assert len(service.requests) == 1
        decider.close()


OPTIONS = {"issuer": "https://a.example", "audience": "xmpp", "revocation": "at-expiry"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"revocation": None}, "a signed token cannot be revoked before it expires"),
        ({"confirm": {"kind": "status", "url": "http://a.de"}}, "cannot be revoked before"),
        ({"revocation": "never"}, "revocation"),
        ({"audience": None}, "expected issuer and audience"),
        ({"issuer": None}, "expected issuer and audience"),
        ({"issuer": "a.example"}, "starts with http"),
        ({"algorithms": ["none"]}, "algorithms: expected some of"),
        ({"algorithms": ["HS256"]}, "algorithms: expected some of"),
        ({"algorithms": []}, "algorithms: expected at least one"),
        ({"algorithms": ["RS256"], "secret": SECRET}, "expected some of HS256, HS384, HS512"),
        ({"secret": "short"}, "at least 32 bytes"),
        ({"secret": SECRET, "jwks_url": "https://a.example/keys"}, "expected secret or jwks_url"),
        ({"service_auth": {"kind": "bearer", "token": "t"}}, "service_auth: the keys of the"),
        ({"echo": "X-Request-ID"}, "echo: the keys of the issuer are public"),
        ({"standby": ["https://b.example/"]}, "standby: expected url beside it"),
        ({"jwks_url": "http+unix://%2Fa/"}, "starts with http"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_an_error(
    changes: dict[str, Any], error: str
) -> None:
    table = {key: value for key, value in {**OPTIONS, **changes}.items() if value is not None}
    with pytest.raises(ValidationError) as caught:
        settings_of(backend={"kind": "jwt", **table})
    assert error in str(caught.value)
    assert SECRET not in str(caught.value)


def test_revocation_at_expiry_is_a_warning() -> None:
    settings = settings_of(backend={"kind": "jwt", **OPTIONS})
    assert settings.warnings() == ["backend.revocation: a token continues to work until it expires"]
