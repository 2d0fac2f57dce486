"""Certificates of the server and of the client."""

import pytest

from extauth_http.ejabberd_api.client import ApiClient
from tests.admin.fake_ejabberd import FakeEjabberd
from tests.ejabberd_api.calls import BASIC, refusal, settings
from tests.integration.certificates import Certificates, certificates


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("pems"))


def test_a_server_with_a_valid_certificate_is_called(pems: Certificates) -> None:
    with FakeEjabberd(tls=pems.good) as fake:
        assert ApiClient(settings(fake.url, tls={"ca_file": pems.ca_file})).release == (26, 7)


@pytest.mark.parametrize(
    ("which", "hint"),
    [
        ("unknown", "ca_file"),
        ("self_signed", "ca_file"),
        ("expired", "renew the certificate"),
        ("other_name", "as the certificate names it"),
    ],
)
def test_a_server_with_an_invalid_certificate_receives_no_request(
    pems: Certificates, which: str, hint: str
) -> None:
    with FakeEjabberd(tls=getattr(pems, which)) as fake:
        configured = settings(fake.url, tls={"ca_file": pems.ca_file}, service_auth=BASIC)
        error = refusal(ApiClient(configured))
        assert "certificate" in error.message.lower()
        assert hint in str(error.hint)
        assert not error.may_have_changed
        assert fake.calls == []


def test_the_certificates_of_the_system_do_not_include_a_private_authority(
    pems: Certificates,
) -> None:
    with FakeEjabberd(tls=pems.good) as fake:
        assert (
            "unable to get local issuer certificate"
            in refusal(ApiClient(settings(fake.url))).message
        )
        assert fake.calls == []


def test_a_configured_client_certificate_is_presented(pems: Certificates) -> None:
    with FakeEjabberd(tls=pems.wants_client) as fake:
        tls = {"ca_file": pems.ca_file}
        error = refusal(ApiClient(settings(fake.url, tls=tls)))
        assert not error.may_have_changed
        assert "client_cert" in str(error.hint)
        assert fake.calls == []
        named = {**tls, "client_cert": pems.client_file}
        assert ApiClient(settings(fake.url, tls=named)).release == (26, 7)
