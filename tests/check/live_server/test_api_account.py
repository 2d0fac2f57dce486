"""The account of ``check --api``: sent to the server that it is configured for, and to no other."""

from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.check.finding import Finding
from extauth_http.check.live_server import probe as live_server
from extauth_http.check.live_server.api_account import open_api
from extauth_http.config.endpoint import Endpoint
from tests.check.findings import bad, ids, one
from tests.check.live_server.fake_api import api
from tests.credentials import PASSWORD, shown
from tests.integration.certificates import certificates
from tests.integration.service import Service

BASIC = f"""
[ejabberd.service_auth]
kind = "basic"
username = "admin@example.org"
password = "{PASSWORD}"
"""
BEARER = """
[ejabberd.service_auth]
kind = "bearer"
token = "hunter2"
"""


def configured(folder: Path, api_url: str, more: str) -> Path:
    file = folder / "extauth-http.toml"
    file.write_text(f'[ejabberd]\napi = "{api_url}"\n{more}')
    return file


def probe(url: str, config: Path | None, account: Account) -> list[Finding]:
    found = list(live_server.findings(Endpoint.parse(url), config, None, account, None, set()))
    assert not shown(str(found).encode())
    return found


@pytest.mark.parametrize(("more", "name"), [(BASIC, "admin@example.org"), (BEARER, "bearer")])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_calls_use_the_account_of_the_same_server(
    account: Account, tmp_path: Path, more: str, name: str, host: str
) -> None:
    with Service(api()) as service:
        config = configured(tmp_path, f"http://{host}:{service.port}/api", more)
        found = probe(f"http://127.0.0.1:{service.port}/api", config, account)
    assert name in one(found, "api-account").found
    assert not bad(found)
    assert service.requests
    assert all("authorization" in request.headers for request in service.requests)


def test_calls_use_no_account_without_one(account: Account, tmp_path: Path) -> None:
    with Service(api()) as service:
        url = f"http://127.0.0.1:{service.port}/api"
        (tmp_path / "other.toml").write_text('[backend]\nkind = "rest"\n')
        for config in (
            None,
            tmp_path / "missing.toml",
            tmp_path / "other.toml",
            configured(tmp_path, url, ""),
        ):
            assert ids(probe(url, config, account)) == {"api-version"}
    assert service.requests
    assert not any("authorization" in request.headers for request in service.requests)


@pytest.mark.parametrize(
    ("api_url", "why"),
    [
        ("http://127.0.0.1:1/api", "another server"),
        ("https://127.0.0.1:{port}/api", "another server"),
        ("http://xmpp.example.org:{port}/api", "another server"),
    ],
)
def test_the_account_is_not_sent_to_another_server(
    account: Account, tmp_path: Path, api_url: str, why: str
) -> None:
    with Service(api()) as service:
        config = configured(tmp_path, api_url.format(port=service.port), BASIC)
        found = probe(f"http://127.0.0.1:{service.port}/api", config, account)
    assert bad(found) == {"api-account-unused"}
    assert why in one(found, "api-account-unused").found
    assert service.requests
    assert not any("authorization" in request.headers for request in service.requests)


def test_the_account_is_not_sent_in_clear_text_to_another_machine(tmp_path: Path) -> None:
    url = "http://192.0.2.1:5280/api"
    client, found = open_api(Endpoint.parse(url), configured(tmp_path, url, BASIC))
    assert "clear text" in one(found, "api-account-unused").found
    assert client.settings.service_auth is None


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (BASIC.replace("basic", "digest"), "service_auth"),
        (
            '[ejabberd.service_auth]\nkind = "bearer"\ntoken_file = "/nowhere"',
            "cannot read /nowhere",
        ),
        ("[ejabberd", "not TOML"),
    ],
)
def test_a_table_with_a_mistake_is_a_warning(
    account: Account, tmp_path: Path, more: str, why: str
) -> None:
    with Service(api()) as service:
        url = f"http://127.0.0.1:{service.port}/api"
        found = probe(url, configured(tmp_path, url, more), account)
    assert bad(found) == {"api-account-unused"}
    assert why in one(found, "api-account-unused").found


def test_the_tls_files_of_the_table_are_used_without_an_account(
    account: Account, tmp_path: Path
) -> None:
    pems = certificates(tmp_path)
    with Service(api(), pems.good) as service:
        url = f"https://localhost:{service.port}/api"
        tls = f'[ejabberd.tls]\nca_file = "{pems.ca_file}"'
        found = probe(url, configured(tmp_path, url, tls), account)
    assert ids(found) == {"api-account", "api-version"}
    assert not bad(found)
