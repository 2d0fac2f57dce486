"""The findings for each response of an admin API. tests/e2e has the real one."""

import socket
import time
from pathlib import Path

import httpx
import pytest

from extauth_http.check.account import Account
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.live_server import probe as live_server
from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.config.endpoint import Endpoint
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.protocol.replies import Dialect
from tests.check.findings import bad, ids, one
from tests.check.live_server.fake_api import ALICE, FILE, STATUS, TYPE, api, find
from tests.integration.service import Behaviour, Service, answering, http


def test_the_version_the_options_and_a_login_are_good(account: Account, tmp_path: Path) -> None:
    dump = FILE.replace("external", "[external]") + "hide_sensitive_log_data: true\n"
    found = find(api(dump=dump), account, tmp_path, FILE)
    assert ids(found) == {"api-version", "api-options", "api-login"}
    assert not bad(found)
    assert "ejabberd 23.01-1" in one(found, "api-version").found


ANSWERS = [
    (
        answering(http(401, "{}", TYPE)),
        "status: ejabberd answers with status 401; a caller without "
        "an account may not call this command; allow it in ejabberd.yml",
        "api_permissions",
    ),
    (
        answering(http(403, "{}", TYPE)),
        "status: ejabberd answers with status 403; a caller without "
        "an account may not call this command; allow it in ejabberd.yml",
        "api_permissions",
    ),
    (answering(http(404, "{}", TYPE)), "no command status", ""),
    (answering(http(404, "<html>")), "is not mod_http_api", "listen"),
    (answering(http(200, "<html>", "Content-Type: text/html")), "is not mod_http_api", "listen"),
    (answering(http(200, "<html>", TYPE)), "not valid JSON", ""),
    (answering(http(302, "", "Location: /")), "redirects", ""),
    (answering(http(500, "{}", TYPE)), "status 500", ""),
    (answering(b"220 smtp ready\r\n"), "bad_http", "listen"),
]


@pytest.mark.parametrize(("behave", "problem", "option"), ANSWERS)
def test_an_api_that_returns_no_result_is_broken_and_has_the_line_for_ejabberd_yml(
    account: Account, tmp_path: Path, behave: Behaviour, problem: str, option: str
) -> None:
    (finding,) = find(behave, account, tmp_path)
    assert finding.id == "api"
    assert problem in finding.found
    assert finding.line.startswith(option)
    assert bool(finding.line) == bool(option)
    if option:
        (tmp_path / "more.yml").write_text(f"hosts: [a.org]\n{finding.line}\n")
        assert option in EjabberdYml(tmp_path / "more.yml").top


def test_a_permission_is_added_to_the_existing_ones(account: Account, tmp_path: Path) -> None:
    text = f"{FILE}api_permissions:\n  other: {{who: all, what: status}}\n"
    (finding,) = find(answering(http(403, "{}", TYPE)), account, tmp_path, text)
    assert finding.place == ("api_permissions",)
    assert finding.where.endswith("ejabberd.yml:4")
    assert not finding.line.startswith("api_permissions")


def test_a_server_that_cannot_be_reached_is_broken(account: Account) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = Endpoint.parse(f"http://127.0.0.1:{listener.getsockname()[1]}/api")
    (finding,) = live_server.findings(url, None, None, account, ALICE, set())
    assert "nothing listens" in finding.found
    assert finding.line.startswith("listen:")


def test_a_server_that_never_answers_is_broken_after_the_timeout(
    account: Account, tmp_path: Path
) -> None:
    with Service(lambda *_: time.sleep(30)) as service:
        settings = EjabberdSettings(api=Endpoint.parse(service.url), timeout=1)
        (finding,) = live_server.probe(ApiClient(settings), None, account, ALICE, set())
    assert "deadline" in finding.found


@pytest.mark.parametrize("result", [1, "0", None, False, True, "<html>", {"result": 0}])
def test_only_the_number_0_is_a_login(account: Account, tmp_path: Path, result: object) -> None:
    found = find(api("26.07", login_result=result), account, tmp_path)
    assert "api-login-refused" in bad(found)
    assert "api-login" not in ids(found)


def test_a_login_that_could_not_be_tried_is_not_a_refused_login(
    account: Account, tmp_path: Path
) -> None:
    found = find(api("26.07", refuses="check_password"), account, tmp_path)
    assert "api-login-unknown" in bad(found)
    assert "api_permissions" in one(found, "api-login-unknown").line


HIDE = FILE + "hide_sensitive_log_data: true\n"
SHOW = FILE + "hide_sensitive_log_data: false\n"
LOGGED = [
    ("23.01-1", FILE, "info", True),
    ("23.01-1", FILE, {"levelatom": "info"}, True),
    ("24.12-3", FILE, "debug", True),
    ("24.12-3", FILE, "warning", False),
    ("26.02", FILE, "info", True),
    ("26.03", FILE, "info", False),
    ("23.01-1", FILE, {"levelatom": "warning"}, False),
    ("23.01-1", FILE, {"levelatom": ["warning"]}, True),
    ("24.12-3", HIDE, "info", False),
    ("26.07", FILE, "info", False),
    ("26.07", SHOW, "info", False),
    ("24.12-3", SHOW, "info", True),
    ("24.12-3", None, "info", True),
]


@pytest.mark.parametrize(("version", "dump", "level", "expected"), LOGGED)
def test_a_password_that_ejabberd_would_log_is_not_sent(
    account: Account, tmp_path: Path, version: str, dump: str | None, level: object, expected: bool
) -> None:
    found = find(api(version, dump, level=level), account, tmp_path)
    assert ("api-password-logged" in bad(found)) == expected
    assert ("api-login" in ids(found)) != expected
    if expected:
        assert one(found, "api-password-logged").line == "hide_sensitive_log_data: true"


def test_no_password_goes_to_another_machine_in_clear_text(account: Account) -> None:
    called: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        called.append(request.url.path)
        return httpx.Response(200, json=STATUS.format("23.01"))

    settings = EjabberdSettings(api=Endpoint.parse("http://192.0.2.1:5280/api"))
    api = ApiClient(settings, http=httpx.Client(transport=httpx.MockTransport(respond)))
    found = list(live_server.probe(api, None, account, ALICE, set()))
    assert "api-plain-http" in bad(found)
    assert called == ["/api/status"]


def test_an_ejabberd_that_knows_two_answers_needs_the_boolean_dialect(
    account: Account, tmp_path: Path
) -> None:
    for version, dialect, expected in [
        ("18.03", Dialect.EJABBERD, True),
        ("18.03", Dialect.BOOLEAN, False),
        ("18.06", Dialect.EJABBERD, False),
    ]:
        found = find(api(version), account, tmp_path, None, None, {dialect})
        assert ("api-dialect" in ids(found)) == expected


def test_another_server_is_not_called_an_ejabberd(account: Account, tmp_path: Path) -> None:
    found = find(answering(http(200, '"hello"', TYPE)), account, tmp_path, login=None)
    assert bad(found) == {"api-version-unknown"}


@pytest.mark.parametrize(
    "behave", [api(), api(refuses="dump_config"), api(dump="- a list"), api(dump="a: [")]
)
def test_options_that_cannot_be_read_are_a_warning(
    account: Account, tmp_path: Path, behave: Behaviour
) -> None:
    found = find(behave, account, tmp_path, FILE, None)
    assert bad(found) == {"api-options-unknown"}
