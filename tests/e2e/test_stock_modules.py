"""What the modules of ejabberd's own ``ejabberd.yml`` keep about a user, or answer themselves."""

import re
from pathlib import Path

import pytest

from tests.e2e.ejabberd import MODULES, Ejabberd, free_ports
from tests.e2e.installation import ROOT, stock_modules
from tests.e2e.raw_stream import logged_in
from tests.e2e.recording_program import RecordingProgram
from tests.e2e.turn import can_allocate

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).parents[2] / "docs" / "ejabberd-releases.md"


def test_the_page_has_a_row_for_each_module() -> None:
    section = PAGE.read_text().partition("## Module by module")[2].partition("\n## ")[0]
    listed = {
        name
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert set(stock_modules(ROOT)) - {"mod_register"} <= listed


def test_a_turn_credential_stays_valid_after_the_end_of_its_user(tmp_path: Path) -> None:
    program = RecordingProgram(tmp_path)
    modules = {**MODULES, "mod_stun_disco": {"credentials_lifetime": "10m"}}
    server = Ejabberd(program.command_line, modules=modules)
    (port,) = free_ports(1)
    server.config["listen"].append(
        {
            "port": port,
            "ip": "127.0.0.1",
            "transport": "udp",
            "module": "ejabberd_stun",
            "use_turn": True,
            "turn_ipv4_address": "127.0.0.1",
        }
    )
    with server:
        with logged_in(server.c2s_port, "example.org", "alice", "good") as stream:
            services = "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>"
            offered = stream.iq("get", services, "example.org")
        username, password = (
            re.findall(rf"{name}='(.*?)'", offered)[0] for name in ("username", "password")
        )
        program.reply(auth=0, isuser=0)
        server.api("unregister", user="alice", host="example.org")
        program.new_requests()
        assert can_allocate(port, username, password)
        assert not can_allocate(port, username, "wrong")
        assert program.new_requests() == []


def test_a_message_of_the_day_is_kept_for_each_user_who_saw_it(tmp_path: Path) -> None:
    program = RecordingProgram(tmp_path)
    admin = {"acl": {"admin": {"user": ["root@example.org"]}}}
    with Ejabberd(program.command_line, options=admin) as server:
        with logged_in(server.c2s_port, "example.org", "root", "good") as root:
            root.send("<message to='example.org/announce/motd'><body>Hello all</body></message>")
            root.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "example.org")
        with logged_in(server.c2s_port, "example.org", "alice", "good") as alice:
            assert "Hello all" in alice.ask("<presence/>", "</message>")
        server.api("unregister", user="alice", host="example.org")
        assert "motd_users" in tables_with_alice(server)


def test_push_notifications_end_with_unregister_and_not_with_a_kick(tmp_path: Path) -> None:
    program = RecordingProgram(tmp_path)
    with Ejabberd(program.command_line) as server:
        with logged_in(server.c2s_port, "example.org", "alice", "good") as stream:
            push = "<enable xmlns='urn:xmpp:push:0' jid='push.example.net' node='n'/>"
            assert "type='result'" in stream.iq("set", push)
            server.api("kick_user", user="alice", host="example.org")
        assert "push_session" in tables_with_alice(server)
        server.api("unregister", user="alice", host="example.org")
        assert "push_session" not in tables_with_alice(server)


def tables_with_alice(server: Ejabberd) -> set[str]:
    """The Mnesia tables with a record of alice."""
    dump = server.folder / "dump"
    server.api("dump", file=str(dump))
    return set(re.findall(r'^\{(\w+),\s*\{<<"alice">>', dump.read_text(), re.MULTILINE))
