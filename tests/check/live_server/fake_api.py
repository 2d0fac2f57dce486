"""A fake admin API, and the findings about it."""

import json
import socket
from pathlib import Path

from extauth_http.check.account import Account
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding
from extauth_http.check.live_server import probe as live_server
from extauth_http.check.login import Login
from extauth_http.config.endpoint import Endpoint
from extauth_http.protocol.replies import Dialect
from tests.credentials import PASSWORD, shown
from tests.integration.service import Behaviour, Request, Service, http

ALICE = Login("alice", "example.org", PASSWORD)
TYPE = "Content-Type: application/json"
STATUS = "The node x@localhost is started. Status: started\nejabberd {} is running in that node"
FILE = "hosts: [example.org]\nauth_method: external\nauth_use_cache: false\n"


def api(
    version: str = "23.01-1",
    dump: str | None = None,
    login_result: object = 0,
    level: object = "info",
    refuses: str = "",
) -> Behaviour:
    """A fake mod_http_api.

    ``dump`` is the content of the file that dump_config writes, ``login_result`` is what
    check_password returns, ``level`` what get_loglevel returns, and ``refuses`` a command that the
    caller may not call.
    """

    def behave(request: Request, connection: socket.socket) -> None:
        command = request.target.rpartition("/")[2]
        arguments = json.loads(request.body)
        result: object = {"status": STATUS.format(version), "check_password": login_result}.get(
            command, 0
        )
        if command == refuses:
            connection.sendall(http(403, '{"status": "error", "code": 32}', TYPE))
            return
        if command == "get_loglevel":
            result = level
        if command == "dump_config" and dump:
            Path(arguments["out"]).write_text(dump)
        connection.sendall(http(200, json.dumps(result), TYPE))

    return behave


def find(
    behave: Behaviour,
    account: Account,
    folder: Path,
    text: str | None = None,
    login: Login | None = ALICE,
    dialects: set[Dialect] | None = None,
    config: Path | None = None,
) -> list[Finding]:
    """The findings about a fake API; ``text`` is the content of ejabberd.yml."""
    account.home = str(folder)
    yml = None
    if text:
        (folder / "ejabberd.yml").write_text(text)
        yml = EjabberdYml(folder / "ejabberd.yml")
    with Service(behave) as service:
        url = Endpoint.parse(f"http://127.0.0.1:{service.port}/api/")
        found = list(live_server.findings(url, config, yml, account, login, dialects or set()))
    assert not shown(str(found).encode())
    assert not list(folder.glob("extauth-check-*"))
    return found
