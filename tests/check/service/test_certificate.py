"""The TLS certificate of a service."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from extauth_http.check.finding import Level
from extauth_http.check.service import probe
from tests.check.findings import bad, ids, one
from tests.check.service.services import ALICE, found_of, only_alice
from tests.integration.certificates import Certificates, certificates
from tests.integration.service import Service
from tests.settings import settings_of


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


CERTIFICATES = [
    ("good", "backend-certificate", ""),
    ("expired", "backend-certificate-expired", "Renew"),
    ("other_name", "backend-certificate-name", "not valid for localhost"),
    ("self_signed", "backend-certificate-self-signed", "self-signed"),
    ("unknown", "backend-certificate-unknown", "authority"),
]


@pytest.mark.parametrize(("name", "identity", "text"), CERTIFICATES)
def test_each_reason_not_to_trust_a_certificate_has_its_own_finding(
    some: Certificates, name: str, identity: str, text: str
) -> None:
    with Service(only_alice, tls=getattr(some, name)) as service:
        found = found_of(service.url, ALICE, tls={"ca_file": str(some.ca_file)})
    assert text in one(found, identity).found
    assert bad(found) == ({identity} if name != "good" else set())
    assert ("backend-user" in ids(found)) == (name == "good")


def test_the_line_for_ca_file_belongs_to_the_table_of_the_backend(some: Certificates) -> None:
    with Service(only_alice, tls=some.self_signed) as service:
        one_backend = {"kind": "rest", "url": service.url}
        with_tls = {**one_backend, "tls": {"ca_file": str(some.ca_file)}}
        lines = [
            one(
                list(probe.findings(settings_of(**data), [], None)),
                "backend-certificate-self-signed",
            ).line
            for data in (
                {"backend": one_backend},
                {"hosts": {"a.org": {"backend": one_backend}}},
                {"backend": with_tls},
            )
        ]
    file = 'ca_file = "/etc/ejabberd/authority.pem"'
    assert lines == [f"[backend.tls]\n{file}", f'[hosts."a.org".backend.tls]\n{file}', file]


@pytest.mark.parametrize(
    ("starts", "ends", "identity"),
    [(-1, 5, "backend-certificate-ends"), (1, 30, "backend-certificate-early")],
)
def test_a_certificate_that_expires_soon_or_is_not_valid_yet_has_a_finding(
    tmp_path: Path, starts: int, ends: int, identity: str
) -> None:
    authority, now = trustme.CA(), datetime.now(UTC)
    certificate = authority.issue_cert(
        "localhost",
        not_before=now + timedelta(days=starts),
        not_after=now + timedelta(days=ends, hours=1),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with Service(only_alice, tls=context) as service:
        found = found_of(service.url, tls={"ca_file": str(tmp_path / "ca.pem")})
    finding = one(found, identity)
    assert bad(found) == {identity}
    if identity == "backend-certificate-ends":
        assert "expires in 5 days" in finding.found
        assert finding.level is Level.WARNING


def test_plain_http_on_the_port_is_named() -> None:
    with Service() as service:
        found = found_of(service.url.replace("http://", "https://"), ALICE)
    assert "plain http" in one(found, "backend-tls").found


def test_a_service_that_requires_a_client_certificate_is_undecided_without_one(
    some: Certificates,
) -> None:
    with Service(only_alice, tls=some.wants_client) as service:
        tls = {"ca_file": str(some.ca_file)}
        found = found_of(service.url, ALICE, tls=tls)
        assert "tls" in found[-1].found
        assert "backend-undecided" in bad(found)
        found = found_of(service.url, ALICE, tls={**tls, "client_cert": str(some.client_file)})
        assert not bad(found)


def test_a_nested_backend_is_checked_with_its_own_authority(some: Certificates) -> None:
    with Service(only_alice, tls=some.good) as tokens, Service(only_alice, tls=some.good) as users:
        trusted = {"ca_file": str(some.ca_file)}
        isuser = {"kind": "rest", "url": users.url}
        backend = {"kind": "userinfo", "url": tokens.url, "tls": trusted, "isuser": isuser}
        found = list(probe.findings(settings_of(backend=backend), [], None))
        assert one(found, "backend-certificate-unknown").line.startswith("[backend.isuser.tls]\n")
        assert "backend-certificate" in ids(found)
        backend["isuser"] = {**isuser, "tls": trusted}
        found = list(probe.findings(settings_of(backend=backend), [], None))
        assert "backend-certificate-unknown" not in ids(found)
