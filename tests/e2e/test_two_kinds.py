"""Two virtual hosts of one ejabberd, each with another kind of service, in one pool."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.conftest import PROGRAM
from tests.e2e.ejabberd import Ejabberd
from tests.e2e.xmpp import login, logs_in
from tests.servers.oauth_provider import CLIENT_ID, CLIENT_SECRET, oauth_provider
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e

CONFIG = """
[log]
file = "{folder}/log"

[hosts."a.example".backend]
kind = "rest"
url = "{rest}"

[hosts."b.example".backend]
kind = "introspection"
url = "{issuer}/introspect/"
client_id = "{client}"
client_secret = "{secret}"
"""


def test_each_host_uses_its_own_service_at_the_same_time(
    tmp_path: Path, service: TokenService
) -> None:
    service.add("alice@a.example", "a-password")
    config = tmp_path / "extauth-http.toml"
    with oauth_provider() as provider:
        config.write_text(
            CONFIG.format(
                folder=tmp_path,
                rest=service.url,
                issuer=provider.issuer,
                client=CLIENT_ID,
                secret=CLIENT_SECRET,
            )
        )
        token = provider.token("alice")
        program = f"{PROGRAM} --config {config}"
        hosts = ["a.example", "b.example", "c.example"]
        with Ejabberd(program, hosts=hosts, extauth_pool_size=2) as ejabberd:

            async def together() -> list[bool]:
                tries = [
                    ("alice@a.example", "a-password"),
                    ("alice@b.example", token),
                    ("alice@a.example", token),
                    ("alice@b.example", "a-password"),
                    ("alice@b.example", provider.token("bob")),
                    ("alice@c.example", "a-password"),
                ]
                return await asyncio.gather(*(login(ejabberd, *each) for each in tries * 3))

            assert asyncio.run(together()) == [True, True, False, False, False, False] * 3
            provider.revoke(token)
            assert not logs_in(ejabberd, "alice@b.example", token)
            assert logs_in(ejabberd, "alice@a.example", "a-password")
    log = (tmp_path / "log").read_text()
    assert '"reason": "unknown_host"' in log
    assert '"backend": "introspection"' in log
    assert token not in log
