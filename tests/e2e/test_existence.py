"""How ejabberd uses the reply to ``isuser``."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.conftest import PROGRAM
from tests.e2e.ejabberd import ApiError, Ejabberd
from tests.e2e.xmpp import session
from tests.integration.service import Request, Service, http

pytestmark = pytest.mark.e2e

ACTIVE = '{"active": true, "username": "alice"}'
CONFIG = '[backend]\nkind = "introspection"\nurl = "%s"\nisuser = "%s"\n'


def introspecting(request: Request, connection: object) -> None:
    connection.sendall(http(200, ACTIVE))  # type: ignore[attr-defined]


async def reply_type(ejabberd: Ejabberd) -> str | None:
    """The type of the reply to a message for an offline user; None if there is no reply."""
    async with session(ejabberd, "alice@example.org", "a-token") as alice:
        alice.send("bob@example.org", "hello")
        try:
            return str((await alice.receive(timeout=2))["type"])
        except TimeoutError:
            return None


def fails(ejabberd: Ejabberd, command: str, **arguments: str) -> str:
    with pytest.raises(ApiError) as caught:
        ejabberd.api(command, user="bob", host="example.org", **arguments)
    return caught.value.body


@pytest.mark.parametrize(
    ("choice", "message", "stored", "change", "register"),
    [
        ("deny", "error", 0, "unknown_user", "Not allowed"),
        ("allow", None, 1, "db_failure", "already registered"),
        ("undecided", "error", 0, "unknown_user", "Not allowed"),
    ],
)
def test_isuser_decides_what_happens_to_a_message_for_an_offline_user(
    tmp_path: Path, choice: str, message: str | None, stored: int, change: str, register: str
) -> None:
    config = tmp_path / "extauth-http.toml"
    with Service(introspecting) as service:
        config.write_text(CONFIG % (service.url, choice))
        with Ejabberd(f"{PROGRAM} --config {config}") as ejabberd:
            assert asyncio.run(reply_type(ejabberd)) == message
            count = ejabberd.api("get_offline_count", user="bob", host="example.org")
            # ejabberd before 24.06 returns an object with the number.
            assert (count["value"] if isinstance(count, dict) else count) == stored
            assert change in fails(ejabberd, "change_password", newpass="new")
            assert register in fails(ejabberd, "register", password="new")
