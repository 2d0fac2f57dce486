"""mod_invites (since 26.01) registers users and sets passwords, and asks the program for both."""

import re
from pathlib import Path

import httpx
import pytest

from tests.e2e.ejabberd import MODULES, Ejabberd, free_ports
from tests.e2e.installation import VERSION
from tests.e2e.recording_program import RecordingProgram

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(VERSION < (26, 1), reason="this ejabberd has no mod_invites"),
]


def submit(url: str, token: str, **form: str) -> int:
    """Sends the form of a page, with its token against cross-site requests. Returns the status."""
    headers = {"Host": "example.org"}
    page = httpx.get(url, headers=headers, trust_env=False)
    csrf_token = re.search(r'name="csrf_token"[^>]*value="([^"]*)"', page.text)
    assert csrf_token, page.text
    headers["Cookie"] = page.headers["Set-Cookie"].partition(";")[0]
    form |= {"token": token, "csrf_token": csrf_token[1]}
    return httpx.post(url, headers=headers, data=form, trust_env=False).status_code


def test_an_invitation_asks_tryregister_and_a_reset_asks_setpass(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    page = f"http://127.0.0.1:{port}/invites"
    program = RecordingProgram(tmp_path)
    invites = {"landing_page": page + "/{{ invite.token }}"}
    server = Ejabberd(program.command_line, modules={**MODULES, "mod_invites": invites})
    server.config["listen"].append(
        {
            "port": port,
            "ip": "127.0.0.1",
            "module": "ejabberd_http",
            "request_handlers": {"/invites": "mod_invites"},
        }
    )

    def token(command: str, **arguments: str) -> str:
        invite = server.api(command, host="example.org", **arguments)
        return str(invite["landing_page"].rpartition("/")[2])

    with server:
        invitation = token("generate_invite")
        program.reply(isuser=0, tryregister=1)
        url = f"{page}/{invitation}/registration"
        assert submit(url, invitation, user="carl", password="first") == 200
        assert program.new_requests() == [
            "isuser:carl:example.org",
            "tryregister:carl:example.org:first",
        ]
        program.reply(isuser=1, setpass=2)
        reset = token("generate_reset_token", username="carl")
        program.new_requests()
        assert submit(f"{page}/{reset}", reset, user="carl", password="second") == 400
        program.reply(isuser=1, setpass=1)
        assert submit(f"{page}/{reset}", reset, user="carl", password="second") == 200
        requests = program.new_requests()
        assert requests.count("setpass:carl:example.org:second") == 2
