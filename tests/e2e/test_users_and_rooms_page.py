"""docs/users-and-rooms.md: each command of the page, in its order, with its configuration."""

import asyncio
import re
import shlex
import tomllib
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.e2e.admin import Operator, StanzaLog, is_message
from tests.e2e.ejabberd import MODULES, Ejabberd
from tests.e2e.installation import VERSION
from tests.e2e.xmpp import login, open_session
from tests.token_service import TokenService

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(360)]  # it starts 25 commands

PAGE = (Path(__file__).parents[2] / "docs" / "users-and-rooms.md").read_text()
BOB = "bob@example.org"
CARL = "carl@example.org"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines]


def test_each_command_of_the_page_works_as_described(
    service: TokenService, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leavers.txt").write_text(f"{BOB}  # left us\n{CARL}\n")
    (yml,) = blocks("yaml")
    options = yaml.safe_load(yml)
    options["api_permissions"]["the test"] = {
        "from": ["mod_http_api"],
        "who": {"ip": "127.0.0.1/32"},
        "what": ["status", "user_sessions_info"],
    }
    modules = {**MODULES, **options.pop("modules")}
    del options["listen"]  # the port is the test's own
    with Ejabberd(program, options=options, modules=modules) as server:
        asyncio.run(_follow(server, service, _configured(server, service, tmp_path)))


def _configured(server: Ejabberd, service: TokenService, folder: Path) -> Operator:
    (toml,) = blocks("toml")
    table = tomllib.loads(toml)["ejabberd"]["service_auth"]
    service.add(table["username"], "adm:in secret")
    (folder / "admin.secret").write_text("adm:in secret\n")
    operator = Operator(server, folder)
    text = toml.replace("127.0.0.1:5443", f"127.0.0.1:{server.api_port}")
    text = text.replace(table["password_file"], str(folder / "admin.secret"))
    operator.config.write_text(f'{text}\n[backend]\nkind = "rest"\nurl = "{service.url}"\n')
    return operator


async def _follow(server: Ejabberd, service: TokenService, operator: Operator) -> None:
    service.add(BOB, "another")
    service.add(CARL, "wonder:land")
    people = People(server, service.issue(BOB))
    for words in commands():
        if words[:2] == ["user", "purge"]:
            await _purge(service, operator, people, words)
            continue
        await people.connect()
        given = ""
        if "--grace" in words:
            words[words.index("--grace") + 1] = "0.2s"
        if words[:2] == ["room", "remove"]:
            await people.carl.join(words[2], "carl")
        if words[:2] == ["user", "revoke"]:
            service.revoke(people.token)
            given = f"{people.token}\n"
            words.append("--no-fast")  # mod_auth_fast is not on here
        result = await operator.run(*words, given=given)
        if words[1] in ("ban", "unban", "bans") and VERSION < (25, 8):
            assert (result.code, "cannot ban" in result.err) == (2, True)
            continue
        assert result.code == 0, (words, result)
        if words[0] == "user" and "--notify" in words:
            text = words[words.index("--notify") + 1]
            await people.bob.wait_for(partial(is_message, sender="example.org", body=text))
        if words[1] == "ban":
            assert not await login(server, BOB, people.token)
            lift = next(each for each in commands() if each[1] == "unban")
            assert (await operator.run(*lift)).code == 0  # bob connects for the next command
        if words[1] in ("revoke", "kick", "ban"):
            await asyncio.wait_for(people.bob.session.ended.wait(), 20)
        if words[1] == "revoke":
            assert not await login(server, BOB, people.token)
            people.token = service.issue(BOB)
        if "--from" in words:
            await asyncio.wait_for(people.carl.session.ended.wait(), 20)
        assert people.carl.session.ended.is_set() is ("--from" in words)
    await people.bob.session.close()
    await people.carl.session.close()


async def _purge(
    service: TokenService, operator: Operator, people: "People", words: list[str]
) -> None:
    """The removed account, from the no of the service to nothing left."""
    if "--yes" not in words:
        service.remove(CARL)
        assert not people.carl.session.ended.is_set()
        await operator.run_ok("user", "sweep", "--yes")
        await asyncio.wait_for(people.carl.session.ended.wait(), 20)
        await asyncio.sleep(0.5)  # mod_last stores the time of the last activity after the end
        is_known = (await operator.run("user", "sessions", CARL)).code == 0
        assert is_known is (VERSION >= (23, 10))  # ejabberd overrules the no of the service
        result = await operator.run(*words)
        assert (result.code, "last activity: 2" in result.err) == (1, True), result
        return
    await operator.run_ok(*words)
    result = await operator.run_ok(*words, "--json")
    assert result.json["outcomes"][0]["found"] == {}
    assert (await operator.run("user", "sessions", CARL)).code == 1  # ejabberd does not know carl
    service.add(CARL, "wonder:land")


class People:
    """bob and carl, who reconnect when their sessions have ended; ``token`` is bob's."""

    bob: StanzaLog
    carl: StanzaLog

    def __init__(self, server: Ejabberd, token: str) -> None:
        self.token = token
        self._server = server

    async def connect(self) -> None:
        if not hasattr(self, "bob") or self.bob.session.ended.is_set():
            self.bob = StanzaLog(await open_session(self._server, BOB, self.token))
        if not hasattr(self, "carl") or self.carl.session.ended.is_set():
            self.carl = StanzaLog(await open_session(self._server, CARL, "wonder:land"))
