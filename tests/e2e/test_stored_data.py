"""What the shipped modules store about a user, and what is left of it after ``unregister``.

``unregister`` sends ``removeuser`` to the program. Whatever the program replies, ejabberd then
deletes the data of the user. What it does not delete is in ``LEFT``.
"""

import re
import time
from pathlib import Path

import pytest

from tests.e2e import oauth
from tests.e2e.ejabberd import MODULES, Ejabberd, free_ports
from tests.e2e.installation import VERSION
from tests.e2e.raw_stream import logged_in
from tests.e2e.recording_program import RecordingProgram

pytestmark = pytest.mark.e2e
ROOMS = "conference.example.org"

# Requests of a client, and the Mnesia table that each fills.
REQUESTS = {
    "roster": "<query xmlns='jabber:iq:roster'><item jid='bob@example.org'/></query>",
    "private_storage": "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"
    "<conference jid='tea@rooms.example.org'/></storage></query>",
    "vcard": "<vCard xmlns='vcard-temp'><FN>Alice</FN></vCard>",
    "pubsub_item": "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
    "<publish node='urn:xmpp:microblog:0'><item id='1'><entry xmlns='x'/></item></publish>"
    "</pubsub>",
    "privacy": "<block xmlns='urn:xmpp:blocking'><item jid='eve@example.org'/></block>",
}
PING = "<ping xmlns='urn:xmpp:ping'/>"
STORED = {*REQUESTS, "archive_msg", "last_activity", "muc_registered", "muc_room", "offline_msg"}
STORED |= {"oauth_token", "sr_user"}
LEFT = {"oauth_token", "sr_user"}
if VERSION < (24, 12):
    LEFT |= {"muc_room"}  # a role, without an affiliation
if VERSION < (26, 7):
    LEFT |= {"muc_registered"}


def test_unregister_deletes_what_is_stored_whatever_the_program_replies(tmp_path: Path) -> None:
    program = RecordingProgram(tmp_path)
    modules = {**MODULES, "mod_mam": {"default": "always"}}
    server = Ejabberd(program.command_line, modules=modules, options=oauth.OPTIONS)
    (port,) = free_ports(1)
    server.config["listen"].append(oauth.oauth_listener(port))
    with server:
        oauth.add_client(server)
        for reply, user in enumerate(["ada", "bea", "cleo"]):
            program.reply(isuser=1)
            assert oauth.request_token(port, f"{user}@example.org")
            store_by_client(server, user)
            store_by_admin(server, user)
            assert tables_of(server, user) == STORED
            program.reply(isuser=0, removeuser=reply)
            program.new_requests()
            server.api("unregister", user=user, host="example.org")
            assert program.new_requests() == [f"removeuser:{user}:example.org"]
            assert tables_of(server, user) == LEFT


def store_by_client(server: Ejabberd, user: str) -> None:
    with logged_in(server.c2s_port, "example.org", user, "good") as stream:
        stream.ask("<presence/>", "</presence>", "/>")
        for table, request in REQUESTS.items():
            assert "type='result'" in stream.iq("set", request), table
    while server.api("user_sessions_info", user=user, host="example.org"):
        time.sleep(0.05)
    with logged_in(server.c2s_port, "example.org", "bob", "good") as bob:
        bob.send(f"<message to='{user}@example.org' type='chat'><body>hello</body></message>")
        bob.iq("get", PING, "example.org")


def store_by_admin(server: Ejabberd, user: str) -> None:
    is_new = VERSION >= (24, 12)
    room = {"room" if is_new else "name": f"tea-{user}", "service": ROOMS}
    member = {"user": user, "host": "example.org"}
    jid = {"jid": f"{user}@example.org"}
    options = [{"name": "persistent", "value": "true"}]
    server.api("create_room_with_opts", **room, host="example.org", options=options)
    server.api("set_room_affiliation", **room, **(member if is_new else jid), affiliation="member")
    register = "muc_register_nick/v0" if is_new else "muc_register_nick"
    server.api(register, nick=user, service=ROOMS, **jid)
    display: list[str] | str = [] if VERSION >= (24, 2) else ""
    group = {"group": user, "host": "example.org", "label": "", "description": ""}
    server.api("srg_create", **group, display=display)
    server.api("srg_user_add", **member, group=user, grouphost="example.org")


def tables_of(server: Ejabberd, user: str) -> set[str]:
    """The Mnesia tables with a record about a user. The archives of others do not count."""
    dump = server.folder / "dump"
    server.api("dump", file=str(dump))
    records = re.findall(r"^\{(\w+),(.*?)\}\.$", dump.read_text(), re.MULTILINE | re.DOTALL)
    found = {
        table
        for table, record in records
        if f'<<"{user}">>' in record and not record.startswith('{<<"bob">>')
    }
    return found & STORED
