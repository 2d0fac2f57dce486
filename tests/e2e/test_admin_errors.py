"""Errors of the operator or of the configuration: each is reported, and nothing is half done."""

import asyncio
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from extauth_http.config.service_auth import service_auth_of_kind
from extauth_http.ejabberd_api import hints
from extauth_http.ejabberd_api.hints import to_yaml
from tests.e2e.admin import SERVICE, Operator, Result, release
from tests.e2e.ejabberd import Ejabberd
from tests.integration.service import Service, http
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e

ADMIN = "admin@example.org"
PASSWORD = "adm:in secret"
ROOM = f"tea@{SERVICE}"


def run(operator: Operator, *words: str, given: str = "") -> Result:
    return asyncio.run(operator.run(*words, given=given))


@pytest.mark.parametrize(
    ("words", "problem"),
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
        (("room", "list", "conference.nowhere.org"), "conference.nowhere.org is not a MUC service"),
        (("room", "create", "tea@conference.nowhere.org"), "is not a MUC service"),
        (("room", "create", ROOM), "Room already exists"),
        (("room", "create", f"new@{SERVICE}", "--option", "colour=red"), "colour"),
        (("room", "create", f"new@{SERVICE}", "--option", "max_users=many"), "max_users"),
        (
            ("room", "unregister-nick", "alice@example.org", "conference.nowhere.org", "--yes"),
            "conference.nowhere.org",
        ),
    ],
)
def test_an_error_names_what_does_not_exist(
    words: tuple[str, ...], problem: str, server: Ejabberd, tmp_path: Path
) -> None:
    result = run(Operator(server, tmp_path), *words)
    assert result.code == 1, result
    assert problem in result.out + result.err
    assert "Traceback" not in result.err
    assert server.api("muc_online_rooms", service=SERVICE) == [ROOM]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One server for all cases: none of them may leave anything behind."""
    from tests.e2e.conftest import program_line
    from tests.token_service import token_service

    folder = tmp_path_factory.mktemp("server")
    with token_service(folder) as service:
        service.add("alice@example.org", "wonder:land")
        with Ejabberd(program_line(folder, service.url)) as server:
            stays = ("--option", "persistent=true")
            made = run(Operator(server, folder), "room", "create", ROOM, *stays)
            assert made.code == 0, made
            yield server


def test_a_missing_module_has_the_lines_to_enable_it(program: str, tmp_path: Path) -> None:
    with Ejabberd(program, modules={}) as server:
        operator = Operator(server, tmp_path)
        for words, module in (
            (("user", "kick", "alice@example.org", "--yes"), "mod_admin_extra"),
            (("room", "list"), "mod_muc_admin"),
        ):
            result = run(operator, *words)
            assert result.code == 1
            assert yaml.safe_load(result.err.rsplit("\n\n", 1)[1]) == {"modules": {module: {}}}


def test_an_account_may_call_what_the_lines_of_the_refusal_allow(
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
    with Ejabberd(program, options=options) as server:
        refused = run(as_account(server, ADMIN, PASSWORD), *kick)
        assert refused.code == 1
        assert "the account may not call this" in refused.err
        lines = yaml.safe_load(refused.err.rsplit("\n\n", 1)[1])
        anonymous = run(Operator(server, tmp_path), *kick)
        assert "a caller without an account may not call this" in anonymous.err

    lines["api_permissions"] |= only_status
    with Ejabberd(program, options=lines) as server:
        done = run(as_account(server, ADMIN, PASSWORD), *kick)
        assert done.code == 0, done
        assert run(as_account(server, ADMIN, PASSWORD), "room", "create", ROOM).code == 0
        wrong = run(as_account(server, ADMIN, "wrong"), *kick)
        assert (wrong.code, "rejects the account" in wrong.err) == (1, True)
        other = run(as_account(server, "alice2@example.org", PASSWORD), *kick)
        assert (other.code, "may not call this" in other.err) == (1, True)
        for result in (refused, done, wrong, other):
            assert PASSWORD not in result.out + result.err


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
        result = run(Operator(server, tmp_path, table), *kick)
        assert result.code == 0, result
        assert issued not in result.out + result.err
        wrong = table.replace(issued, "x" * 20)
        result = run(Operator(server, tmp_path, wrong), *kick)
        assert (result.code, "rejects the account or token" in result.err) == (1, True)


def test_a_server_without_the_api_is_reported(program: str, tmp_path: Path) -> None:
    kick = ("user", "kick", "alice@example.org", "--yes")
    with Ejabberd(program) as server:
        operator = Operator(server, tmp_path)
        right = operator.config.read_text()
        operator.config.write_text(right.replace("/api", "/nothing"))
        result = run(operator, *kick)
        assert (result.code, "is not mod_http_api" in result.err) == (1, True)
        assert "request_handlers" in result.err
        page = http(200, "<html>Please log in</html>", "Content-Type: text/html")
        with Service(lambda _, connection: connection.sendall(page)) as other:
            api = f"http://127.0.0.1:{other.port}/api"
            operator.config.write_text(f'[ejabberd]\napi = "{api}"\n')
            result = run(operator, *kick)
            assert (result.code, "is not mod_http_api" in result.err) == (1, True)
        operator.config.write_text('[ejabberd]\napi = "http://127.0.0.1:1/api"\n')
        result = run(operator, *kick)
        assert (result.code, "cannot connect to http://127.0.0.1:1/api" in result.err) == (1, True)
        assert "Traceback" not in result.err
