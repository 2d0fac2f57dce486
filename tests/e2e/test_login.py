"""Logins of a real client through a real ejabberd and a real service."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
import yaml
from examples.token_service import Store
from slixmpp.exceptions import IqError

from extauth_http.ejabberd_api.polling import wait_until
from tests.e2e.ejabberd import ApiError, Ejabberd
from tests.e2e.raw_stream import RawStream
from tests.e2e.xmpp import logs_in, session
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e
ALICE = "alice@example.org"
EXAMPLE = Path(__file__).parents[2] / "examples" / "ejabberd.yml"


def test_a_changed_credential_takes_effect_with_the_next_login(
    service: TokenService, program: str
) -> None:
    first = service.issue(ALICE)
    with Ejabberd(program) as ejabberd:
        assert logs_in(ejabberd, ALICE, first)
        service.revoke(first)
        assert not logs_in(ejabberd, ALICE, first)
        second = service.issue(ALICE)
        assert logs_in(ejabberd, ALICE, second)
        ejabberd.api("change_password", user="alice", host="example.org", newpass="new:password")
        assert not logs_in(ejabberd, ALICE, "wonder:land")
        assert not logs_in(ejabberd, ALICE, second)
        assert logs_in(ejabberd, ALICE, "new:password")


def test_with_ejabberds_own_cache_the_old_credential_stays_and_the_new_one_is_refused(
    service: TokenService, program: str
) -> None:
    """The reason for ``auth_use_cache: false``. It also shows that the test above can fail."""
    first = service.issue(ALICE)
    with Ejabberd(program, auth_use_cache=True) as ejabberd:
        assert logs_in(ejabberd, ALICE, first)
        service.revoke(first)
        assert logs_in(ejabberd, ALICE, first)
        assert not logs_in(ejabberd, ALICE, service.issue(ALICE))


@pytest.mark.parametrize("password", ["a:b::c:", "pass wörd 😀", "x" * 6000])
def test_any_password_arrives_unchanged(service: TokenService, program: str, password: str) -> None:
    service.add("bob@example.org", password)
    with Ejabberd(program) as ejabberd:
        assert logs_in(ejabberd, "bob@example.org", password)
        assert not logs_in(ejabberd, "bob@example.org", password[:-1])


def test_a_client_sees_whether_its_password_was_changed(
    service: TokenService, program: str
) -> None:
    async def change(ejabberd: Ejabberd) -> None:
        async with session(ejabberd, ALICE, "wonder:land") as client:
            await client.change_password("new")
            assert Store(service.db).remove(ALICE)
            with pytest.raises(IqError):
                await client.change_password("newer")

    with Ejabberd(program) as ejabberd:
        asyncio.run(change(ejabberd))


def test_users_are_registered_and_removed_through_the_service(
    service: TokenService, program: str
) -> None:
    with Ejabberd(program) as ejabberd:
        ejabberd.api("register", user="carol", host="example.org", password="first")
        assert ejabberd.check_password("carol", "example.org", "first")
        with pytest.raises(ApiError, match="already registered"):
            ejabberd.api("register", user="carol", host="example.org", password="second")
        assert ejabberd.api("check_account", user="carol", host="example.org") == 0
        ejabberd.api("unregister", user="carol", host="example.org")
        assert ejabberd.api("check_account", user="carol", host="example.org") == 1
        assert not ejabberd.check_password("carol", "example.org", "first")


def test_no_credential_is_in_the_log(service: TokenService, program: str, tmp_path: Path) -> None:
    token = service.issue(ALICE)
    with Ejabberd(program) as ejabberd:
        assert logs_in(ejabberd, ALICE, token)
        assert not logs_in(ejabberd, ALICE, "hunter2hunter2")
        ejabberd.api("change_password", user="alice", host="example.org", newpass="swordfish")
        # The program replies first, and then logs. It ends at once with ejabberd.
        file = tmp_path / "log"
        assert wait_until(lambda: '"setpass"' in file.read_text(), interval=0.05, timeout=20)
    log = file.read_text()
    answers = [line for line in map(json.loads, log.splitlines()) if line["event"] == "answer"]
    assert {(line["operation"], line["verdict"]) for line in answers} >= {
        ("auth", "allow"),
        ("auth", "deny"),
        ("setpass", "allow"),
    }
    for credential in (token, "hunter2hunter2", "swordfish"):
        assert credential not in log


def test_the_example_configuration_starts_and_requires_tls(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    certificate = authority.issue_cert(
        "example.org", not_after=datetime.now(UTC) + timedelta(days=30)
    )
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "ejabberd.pem"))
    example = yaml.safe_load(EXAMPLE.read_text())
    server = Ejabberd(program)
    example["extauth_program"] = server.config["extauth_program"]
    example["certfiles"] = [str(tmp_path / "ejabberd.pem")]
    ports = {"ejabberd_c2s": server.c2s_port, "ejabberd_http": server.api_port}
    for listener in example["listen"]:
        listener |= {"port": ports[listener["module"]], "ip": "127.0.0.1"}
    server.config = example
    with server as ejabberd:
        assert logs_in(ejabberd, ALICE, "wonder:land", authority=tmp_path / "ca.pem")
        assert not logs_in(ejabberd, ALICE, "wrong", authority=tmp_path / "ca.pem")
        with RawStream(ejabberd.c2s_port, "example.org") as stream:
            features = stream.features
        assert "<required/>" in features
        assert "PLAIN" not in features
        assert len(ejabberd.whole_pool()) == 8
