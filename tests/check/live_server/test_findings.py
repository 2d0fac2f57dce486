"""What an admin API says, however it says it; the real one is in tests/e2e."""

import json
import socket
import time
from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding
from extauth_http.check.live_server import findings as running
from extauth_http.check.login import Login
from extauth_http.config.endpoint import Endpoint
from extauth_http.protocol.replies import Dialect
from tests.check.findings import bad, ids, one
from tests.credentials import PASSWORD, shown
from tests.integration.service import Behaviour, Request, Service, answering, http

ALICE = Login("alice", "example.org", PASSWORD)
TYPE = "Content-Type: application/json"
STATUS = "The node x@localhost is started. Status: started\nejabberd {} is running in that node"
FILE = "hosts: [example.org]\nauth_method: external\nauth_use_cache: false\n"


def api(
    version: str = "23.01-1",
    dump: str | None = None,
    lets_in: object = 0,
    level: object = "info",
    refuses: str = "",
) -> Behaviour:
    """Answers as ejabberd's mod_http_api does; ``dump`` is what it runs with."""

    def behave(request: Request, connection: socket.socket) -> None:
        command = request.target.rpartition("/")[2]
        arguments = json.loads(request.body)
        said: object = {"status": STATUS.format(version), "check_password": lets_in}.get(command, 0)
        if command == refuses:
            connection.sendall(http(403, '{"status": "error", "code": 32}', TYPE))
            return
        if command == "get_loglevel":
            said = level
        if command == "dump_config" and dump:
            Path(arguments["out"]).write_text(dump)
        connection.sendall(http(200, json.dumps(said), TYPE))

    return behave


def found_of(
    behave: Behaviour,
    account: Account,
    folder: Path,
    text: str | None = None,
    login: Login | None = ALICE,
    dialects: set[Dialect] | None = None,
) -> list[Finding]:
    account.home = str(folder)
    yml = None
    if text:
        (folder / "ejabberd.yml").write_text(text)
        yml = EjabberdYml(folder / "ejabberd.yml")
    with Service(behave) as service:
        url = Endpoint.parse(f"http://127.0.0.1:{service.port}/api/")
        found = list(running.findings(url, yml, account, login, dialects or set()))
    assert not shown(str(found).encode())
    assert not list(folder.glob("extauth-check-*"))
    return found


def test_the_version_the_options_and_a_login_are_good(account: Account, tmp_path: Path) -> None:
    dump = FILE.replace("external", "[external]") + "hide_sensitive_log_data: true\n"
    found = found_of(api(dump=dump), account, tmp_path, FILE)
    assert ids(found) == {"api-version", "api-options", "api-login"}
    assert not bad(found)
    assert "ejabberd 23.01-1" in one(found, "api-version").found


ANSWERS = [
    (answering(http(401, "{}", TYPE)), "api_permissions do not let status", "api_permissions"),
    (answering(http(403, "{}", TYPE)), "api_permissions do not let status", "api_permissions"),
    (answering(http(404, "{}", TYPE)), "no command status", ""),
    (answering(http(404, "<html>")), "is not where mod_http_api is", "listen"),
    (answering(http(200, "<html>", "Content-Type: text/html")), "is not where", "listen"),
    (answering(http(200, "<html>", TYPE)), "not JSON", ""),
    (answering(http(302, "", "Location: /")), "redirects", ""),
    (answering(http(500, "{}", TYPE)), "status 500", ""),
    (answering(b"220 smtp ready\r\n"), "bad_http", "listen"),
]


@pytest.mark.parametrize(("behave", "said", "option"), ANSWERS)
def test_an_api_that_does_not_answer_is_told_with_the_line_for_ejabberd_yml(
    account: Account, tmp_path: Path, behave: Behaviour, said: str, option: str
) -> None:
    (finding,) = found_of(behave, account, tmp_path)
    assert finding.id == "api"
    assert said in finding.found
    assert finding.line.startswith(option)
    assert bool(finding.line) == bool(option)
    if option:
        (tmp_path / "more.yml").write_text(f"hosts: [a.org]\n{finding.line}\n")
        assert option in EjabberdYml(tmp_path / "more.yml").top


def test_a_permission_is_added_to_those_there_are(account: Account, tmp_path: Path) -> None:
    text = f"{FILE}api_permissions:\n  other: {{who: all, what: status}}\n"
    (finding,) = found_of(answering(http(403, "{}", TYPE)), account, tmp_path, text)
    assert finding.place == ("api_permissions",)
    assert finding.where.endswith("ejabberd.yml:4")
    assert not finding.line.startswith("api_permissions")


def test_nobody_there_and_one_who_never_answers_end_in_time(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = Endpoint.parse(f"http://127.0.0.1:{listener.getsockname()[1]}/api")
    (finding,) = running.findings(url, None, account, ALICE, set())
    assert "nothing listens" in finding.found
    assert finding.line.startswith("listen:")
    monkeypatch.setattr(running, "PATIENCE", 0.3)
    (finding,) = found_of(lambda *_: time.sleep(30), account, tmp_path)
    assert "deadline" in finding.found


def test_what_it_runs_with_otherwise_is_named_by_option_and_host(
    account: Account, tmp_path: Path
) -> None:
    dump = "hosts: [example.org]\nauth_method: [mnesia]\nauth_use_cache: false\n"
    text = FILE.replace("[example.org]", "[example.org, new.org]")
    found = found_of(api(dump=dump), account, tmp_path, text, None)
    assert bad(found) == {"api-option-differs", "api-host-missing"}
    differs = one(found, "api-option-differs")
    assert 'auth_method ["mnesia"], the file has ["external"]' in differs.found
    assert differs.line == "ejabberdctl reload_config"
    assert differs.where.endswith("ejabberd.yml:2")
    assert one(found, "api-host-missing").host == "new.org"


@pytest.mark.parametrize(
    "behave", [api(), api(refuses="dump_config"), api(dump="- a list"), api(dump="a: [")]
)
def test_options_that_cannot_be_had_are_a_warning(
    account: Account, tmp_path: Path, behave: Behaviour
) -> None:
    found = found_of(behave, account, tmp_path, FILE, None)
    assert bad(found) == {"api-options-unknown"}


@pytest.mark.parametrize("said", [1, "0", None, False, True, "<html>", {"result": 0}])
def test_only_the_number_0_is_a_login(account: Account, tmp_path: Path, said: object) -> None:
    found = found_of(api(lets_in=said), account, tmp_path)
    assert "api-login-refused" in bad(found)
    assert "api-login" not in ids(found)


def test_a_login_that_could_not_be_tried_is_not_a_refused_one(
    account: Account, tmp_path: Path
) -> None:
    found = found_of(api(refuses="check_password"), account, tmp_path)
    assert "api-login-unknown" in bad(found)
    assert "api_permissions" in one(found, "api-login-unknown").line


HIDE = FILE + "hide_sensitive_log_data: true\n"
SHOW = FILE + "hide_sensitive_log_data: false\n"
LOGGED = [
    ("23.01-1", FILE, "info", True),
    ("23.01-1", FILE, {"levelatom": "info"}, True),
    ("24.12-3", FILE, "debug", True),
    ("24.12-3", FILE, "warning", False),
    ("23.01-1", FILE, {"levelatom": "warning"}, False),
    ("23.01-1", FILE, {"levelatom": ["warning"]}, True),
    ("24.12-3", HIDE, "info", False),
    ("26.07", FILE, "info", False),
    ("26.07", SHOW, "info", True),
    ("24.12-3", None, "info", True),
]


@pytest.mark.parametrize(("version", "dump", "level", "expected"), LOGGED)
def test_a_password_that_ejabberd_logs_is_a_warning(
    account: Account, tmp_path: Path, version: str, dump: str | None, level: object, expected: bool
) -> None:
    found = found_of(api(version, dump, level=level), account, tmp_path)
    assert ("api-password-logged" in bad(found)) == expected
    if expected:
        assert one(found, "api-password-logged").line == "hide_sensitive_log_data: true"


def test_no_password_goes_to_another_machine_in_clear_text(account: Account) -> None:
    asked: list[str] = []

    class Elsewhere(running._Api):
        def ask(self, command: str, **arguments: str) -> object:
            """There is no other machine here."""
            asked.append(command)
            return STATUS.format("23.01")

    elsewhere = Elsewhere(Endpoint.parse("http://192.0.2.1:5280/api"))
    found = list(running._findings(elsewhere, None, account, ALICE, set()))
    assert "api-plain-http" in bad(found)
    assert asked == ["status"]


def test_an_ejabberd_without_a_third_value_needs_the_other_dialect(
    account: Account, tmp_path: Path
) -> None:
    for version, dialect, expected in [
        ("18.03", Dialect.EJABBERD, True),
        ("18.03", Dialect.BOOLEAN, False),
        ("18.06", Dialect.EJABBERD, False),
    ]:
        found = found_of(api(version), account, tmp_path, None, None, {dialect})
        assert ("api-dialect" in ids(found)) == expected


def test_another_server_is_not_called_an_ejabberd(account: Account, tmp_path: Path) -> None:
    found = found_of(answering(http(200, '"hello"', TYPE)), account, tmp_path, login=None)
    assert bad(found) == {"api-version-unknown"}
