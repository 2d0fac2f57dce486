"""What the operator does wrong, or has not set up: a clear error, and nothing half done."""

import asyncio
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from extauth_http.config.service_auth import service_auth_of_kind
from extauth_http.ejabberd_api import hints
from extauth_http.ejabberd_api.hints import to_yaml
from tests.e2e.admin import ROOM_MODULES, SERVICE, Operator, Ran, release
from tests.e2e.ejabberd import Ejabberd
from tests.integration.service import Service, http
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e

ADMIN = "admin@example.org"
PASSWORD = "adm:in secret"
ROOM = f"tea@{SERVICE}"


def run(operator: Operator, *words: str, given: str = "") -> Ran:
    return asyncio.run(operator.run(*words, given=given))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("user", "sessions", "nobody@example.org"), "does not know nobody@example.org"),
        (("user", "kick", "nobody@example.org", "--yes"), "does not know nobody@example.org"),
        (("user", "notify", "nobody@example.org", "hello"), "does not know nobody@example.org"),
        (("user", "kick", "alice@nowhere.org", "--yes"), "does not serve nowhere.org"),
        (("user", "kick", "alice@example.org", "--resource", "x", "--yes"), "no session 'x'"),
        (("room", "show", f"nowhere@{SERVICE}"), f"there is no room nowhere@{SERVICE}"),
        (("room", "destroy", f"nowhere@{SERVICE}", "--yes"), f"no room nowhere@{SERVICE}"),
        (("room", "remove", f"nowhere@{SERVICE}", "alice@example.org", "--yes"), "no room"),
        (("room", "remove", ROOM, "nobody@example.org", "--yes"), "does not know nobody"),
        (("room", "invite", f"nowhere@{SERVICE}", "alice@example.org"), "there is no room"),
        (("room", "invite", ROOM, "alice@example.org", "nobody@example.org"), "know nobody"),
        (("room", "list", "conference.nowhere.org"), "conference.nowhere.org is no MUC service"),
        (("room", "create", "tea@conference.nowhere.org"), "is no MUC service"),
        (("room", "create", ROOM), "Room already exists"),
        (("room", "create", f"new@{SERVICE}", "--option", "colour=red"), "colour"),
        (("room", "create", f"new@{SERVICE}", "--option", "max_users=many"), "max_users"),
        (
            ("room", "unregister-nick", "alice@example.org", "conference.nowhere.org", "--yes"),
            "conference.nowhere.org",
        ),
    ],
)
def test_what_is_not_there_is_named(
    words: tuple[str, ...], said: str, server: Ejabberd, tmp_path: Path
) -> None:
    ran = run(Operator(server, tmp_path), *words)
    assert ran.code == 1, ran
    assert said in ran.out + ran.err
    assert "Traceback" not in ran.err
    assert server.api("muc_online_rooms", service=SERVICE) == [ROOM]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One for all of these: none of them may leave anything behind."""
    from tests.e2e.conftest import program_line
    from tests.token_service import token_service

    folder = tmp_path_factory.mktemp("server")
    with token_service(folder) as service:
        service.add("alice@example.org", "wonder:land")
        with Ejabberd(program_line(folder, service.url), modules=ROOM_MODULES) as server:
            stays = ("--option", "persistent=true")
            made = run(Operator(server, folder), "room", "create", ROOM, *stays)
            assert made.code == 0, made
            yield server


def test_without_the_modules_the_lines_for_them_are_given(program: str, tmp_path: Path) -> None:
    with Ejabberd(program, modules={}) as server:
        operator = Operator(server, tmp_path)
        for words, module in (
            (("user", "kick", "alice@example.org", "--yes"), "mod_admin_extra"),
            (("room", "list"), "mod_muc_admin"),
        ):
            ran = run(operator, *words)
            assert ran.code == 1
            assert yaml.safe_load(ran.err.rsplit("\n\n", 1)[1]) == {"modules": {module: {}}}


def test_the_account_may_what_the_lines_of_the_refusal_allow_and_nobody_else(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    for jid in (ADMIN, "alice2@example.org"):
        service.add(jid, PASSWORD)
    only_status = {
        "status": {
            "from": ["mod_http_api"],
            "who": {"ip": "127.0.0.1/32"},
            "what": ["status"],
        }
    }

    def as_account(server: Ejabberd, jid: str, password: str) -> Operator:
        secret = tmp_path / "admin.secret"
        secret.write_text(password)
        table = textwrap.dedent(
            f"""
            [ejabberd.service_auth]
            kind = "basic"
            username = "{jid}"
            password_file = "{secret}"
            """
        )
        return Operator(server, tmp_path, table)

    kick = ("user", "kick", "alice@example.org", "--yes")
    options: dict[str, Any] = {"api_permissions": only_status}
    with Ejabberd(program, options=options, modules=ROOM_MODULES) as server:
        refused = run(as_account(server, ADMIN, PASSWORD), *kick)
        assert refused.code == 1
        assert "the account may not call this" in refused.err
        lines = yaml.safe_load(refused.err.rsplit("\n\n", 1)[1])
        nobody = run(Operator(server, tmp_path), *kick)
        assert "a caller without an account may not call this" in nobody.err

    lines["api_permissions"] |= only_status
    with Ejabberd(program, options=lines, modules=ROOM_MODULES) as server:
        done = run(as_account(server, ADMIN, PASSWORD), *kick)
        assert done.code == 0, done
        assert run(as_account(server, ADMIN, PASSWORD), "room", "create", ROOM).code == 0
        wrong = run(as_account(server, ADMIN, "wrong"), *kick)
        assert (wrong.code, "rejects the account" in wrong.err) == (1, True)
        other = run(as_account(server, "alice2@example.org", PASSWORD), *kick)
        assert (other.code, "may not call this" in other.err) == (1, True)
        for ran in (refused, done, wrong, other):
            assert PASSWORD not in ran.out + ran.err


def test_an_oauth_token_may_call_what_the_lines_of_the_refusal_allow(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    service.add(ADMIN, PASSWORD)
    unused = service_auth_of_kind({"kind": "bearer", "token": "x"})
    refusal = hints.refused("kick_user", 403, unused)
    assert refusal is not None
    options = yaml.safe_load(to_yaml(refusal.options))
    options["oauth_access"] = "all"
    options["api_permissions"]["issuing"] = {
        "from": ["mod_http_api"],
        "who": {"ip": "127.0.0.1/32"},
        "what": ["status", "oauth_issue_token"],
    }
    with Ejabberd(program, options=options) as server:
        scopes: Any = "ejabberd:admin" if release(server) < (24, 2) else ["ejabberd:admin"]
        issued = server.api("oauth_issue_token", jid=ADMIN, ttl=3600, scopes=scopes)["token"]
        kick = ("user", "kick", "alice@example.org", "--yes")
        assert run(Operator(server, tmp_path), *kick).code == 1
        table = f'[ejabberd.service_auth]\nkind = "bearer"\ntoken = "{issued}"'
        ran = run(Operator(server, tmp_path, table), *kick)
        assert ran.code == 0, ran
        assert issued not in ran.out + ran.err
        wrong = table.replace(issued, "x" * 20)
        ran = run(Operator(server, tmp_path, wrong), *kick)
        assert (ran.code, "rejects the account or token" in ran.err) == (1, True)


def test_what_is_no_admin_api_is_said_to_be_none(program: str, tmp_path: Path) -> None:
    kick = ("user", "kick", "alice@example.org", "--yes")
    with Ejabberd(program) as server:
        operator = Operator(server, tmp_path)
        right = operator.config.read_text()
        operator.config.write_text(right.replace("/api", "/nothing"))
        ran = run(operator, *kick)
        assert (ran.code, "is not mod_http_api" in ran.err) == (1, True)
        assert "request_handlers" in ran.err
        page = http(200, "<html>Please log in</html>", "Content-Type: text/html")
        with Service(lambda _, connection: connection.sendall(page)) as other:
            api = f"http://127.0.0.1:{other.port}/api"
            operator.config.write_text(f'[ejabberd]\napi = "{api}"\n')
            ran = run(operator, *kick)
            assert (ran.code, "is not mod_http_api" in ran.err) == (1, True)
        operator.config.write_text('[ejabberd]\napi = "http://127.0.0.1:1/api"\n')
        ran = run(operator, *kick)
        assert (ran.code, "cannot connect to http://127.0.0.1:1/api" in ran.err) == (1, True)
        assert "Traceback" not in ran.err
