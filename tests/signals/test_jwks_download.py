"""The keys of an issuer are retrieved from the issuer, and from nowhere else."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extauth_http.backends.jwk_set import KeysError
from extauth_http.signals.jwks_download import download_jwks
from tests.integration.certificates import certificates
from tests.integration.service import Request, Service, http
from tests.signals.issuers import settings
from tests.signals.tokens import jwks, rsa_key

KEYS = jwks(rsa_key())
DISCOVERY = "/.well-known/openid-configuration"
SSF = "/.well-known/ssf-configuration"
Answers = Callable[[str], dict[str, bytes]]


def download(answers: Answers, folder: Path | None = None, **changes: Any) -> tuple[str, Service]:
    """What an issuer with these answers leads to. With ``folder`` over TLS."""
    held = certificates(folder) if folder else None

    def answer(request: Request, connection: socket.socket) -> None:
        connection.sendall(answers(issuer).get(request.target, http(404)))

    with Service(answer, held.good if held else None) as service:
        issuer = service.url.removesuffix("/x")
        if held:
            changes["tls"] = {"ca_file": str(held.ca_file)}
        found = download_jwks(settings(issuer=issuer, **changes))
    return found, service


def document(issuer: str, **changes: Any) -> bytes:
    return http(200, json.dumps({"issuer": issuer, "jwks_uri": f"{issuer}/jwks", **changes}))


def test_the_discovery_document_names_the_keys() -> None:
    found, service = download(
        lambda issuer: {DISCOVERY: document(issuer), "/jwks": http(200, KEYS)}
    )
    assert found == KEYS
    assert [each.target for each in service.requests] == [DISCOVERY, "/jwks"]


def test_a_transmitter_without_openid_has_a_document_of_its_own() -> None:
    found, _ = download(lambda issuer: {SSF: document(issuer), "/jwks": http(200, KEYS)})
    assert found == KEYS


def test_the_configured_url_needs_no_document() -> None:
    with Service(lambda _, connection: connection.sendall(http(200, KEYS))) as service:
        assert download_jwks(settings(jwks_url=service.url)) == KEYS
        assert len(service.requests) == 1


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param(lambda _: {}, "status 404", id="nothing"),
        pytest.param(
            lambda issuer: {DISCOVERY: document("https://evil.example")},
            "another issuer",
            id="the document of another issuer",
        ),
        pytest.param(
            lambda issuer: {DISCOVERY: document(f"{issuer}/")}, "another issuer", id="nearly ours"
        ),
        pytest.param(
            lambda issuer: {DISCOVERY: document(issuer, jwks_uri=7)}, "no jwks_uri", id="a number"
        ),
        pytest.param(
            lambda issuer: {DISCOVERY: document(issuer, jwks_uri="file:///etc/passwd")},
            "not a URL",
            id="a file",
        ),
        pytest.param(
            lambda issuer: {DISCOVERY: http(302, "", f"Location: {issuer}/other")},
            "status 302",
            id="a redirect",
        ),
        pytest.param(lambda _: {DISCOVERY: http(200, "<html>")}, "not JSON", id="a page"),
        pytest.param(
            lambda issuer: {DISCOVERY: document(issuer), "/jwks": http(200, "x" * 2_000_000)},
            "too_large",
            id="a long JWK Set",
        ),
    ],
)
def test_anything_else_is_an_error(answers: Answers, expected: str) -> None:
    with pytest.raises(KeysError, match=expected):
        download(answers)


def test_keys_of_an_encrypted_issuer_are_not_retrieved_in_clear_text(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="not encrypted"):
        download(
            lambda issuer: {
                DISCOVERY: document(issuer, jwks_uri=f"{issuer.replace('https', 'http')}/jwks")
            },
            tmp_path,
        )


def test_the_certificate_of_the_issuer_is_verified(tmp_path: Path) -> None:
    held = certificates(tmp_path)
    with Service(tls=held.unknown) as service, pytest.raises(KeysError, match="tls"):
        download_jwks(settings(issuer=service.url, tls={"ca_file": str(held.ca_file)}))
    with Service(tls=held.good) as service, pytest.raises(KeysError, match="tls"):
        download_jwks(settings(issuer=service.url))
