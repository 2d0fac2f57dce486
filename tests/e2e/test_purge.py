"""``user purge``: nothing about a removed user is left in ejabberd's tables."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e import oauth
from tests.e2e.admin import Operator
from tests.e2e.ejabberd import MODULES, Ejabberd, free_ports
from tests.e2e.installation import VERSION
from tests.e2e.recording_program import RecordingProgram
from tests.e2e.test_stored_data import STORED, store_by_admin, store_by_client, tables_of
from tests.integration.service import NO, Service, answering

pytestmark = pytest.mark.e2e
ADA = "ada@example.org"

FOUND = {
    *("offline messages", "archived messages", "last activity", "roster", "vCard"),
    *("private data", "OAuth tokens", "rooms", "shared roster groups", "nicks"),
}
NOT_SHOWN = {"ban"} if VERSION < (25, 8) else set()
if VERSION < (25, 10):
    NOT_SHOWN |= {"nicks"}
if VERSION < (24, 10):
    NOT_SHOWN |= {"archived messages"}
LEFT = {"muc_room"} if VERSION < (24, 12) else set()
"""23.01 keeps a role of the user in a room, without an affiliation."""


def test_a_removed_user_is_purged_until_nothing_is_left(tmp_path: Path) -> None:
    program = RecordingProgram(tmp_path)
    modules = {**MODULES, "mod_mam": {"default": "always"}}
    server = Ejabberd(program.command_line, modules=modules, options=oauth.OPTIONS)
    (port,) = free_ports(1)
    server.config["listen"].append(oauth.oauth_listener(port))
    with server, Service(answering(NO)) as service:
        backend = f'[backend]\nkind = "rest"\nurl = "{service.url}"'
        operator = Operator(server, tmp_path, backend=backend)
        oauth.add_client(server)
        program.reply(isuser=1)
        assert oauth.request_token(port, ADA)
        store_by_client(server, "ada")
        store_by_admin(server, "ada")
        program.reply(isuser=0)
        before = tables_of(server, "ada")
        assert before == STORED

        result = asyncio.run(operator.run("user", "purge", ADA, "--json"))
        (outcome,) = result.json["outcomes"]
        assert (result.code, outcome["state"]) == (1, "not done")
        assert set(outcome["found"]) == FOUND - NOT_SHOWN, outcome
        assert set(outcome["not_shown"]) == NOT_SHOWN
        assert tables_of(server, "ada") == before

        result = asyncio.run(operator.run_ok("user", "purge", ADA, "--json", "--yes"))
        assert result.json["outcomes"][0]["left"] == {}
        assert tables_of(server, "ada") == LEFT

        # And once more: there is nothing, and that is no failure.
        result = asyncio.run(operator.run_ok("user", "purge", ADA, "--json", "--yes"))
        assert result.json["outcomes"][0]["found"] == {}
