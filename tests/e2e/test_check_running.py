"""`check --api` and a real ejabberd."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.credentials import PASSWORD, shown
from tests.e2e.conftest import PROGRAM
from tests.e2e.ejabberd import Ejabberd
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e
HIDE = {"hide_sensitive_log_data": True}
ONLY_STATUS = {"mine": {"from": "mod_http_api", "who": {"ip": "127.0.0.1/8"}, "what": "status"}}


def check(server: Ejabberd, file: Path, url: str = "") -> dict[str, dict[str, Any]]:
    """The findings about the running ejabberd, by id."""
    api = url or f"http://127.0.0.1:{server.api_port}/api"
    config = file.parent / "extauth-http.toml"
    words: list[str | Path] = [
        PROGRAM,
        "--config",
        config,
        "check",
        "--run-as",
        "root",
        "--api",
        api,
        "--json",
    ]
    words += ["--user", "alice@example.org", "--ejabberd-yml", file]
    checked = subprocess.run(words, input="wonder:land\n", capture_output=True, text=True)
    assert not shown((checked.stdout + checked.stderr).encode())
    found = json.loads(checked.stdout)["findings"]
    return {each["id"]: each for each in found if each["id"].startswith("api")}


def written(server: Ejabberd, folder: Path) -> Path:
    file = folder / "ejabberd.yml"
    file.write_text(yaml.safe_dump(server.config))
    return file


def test_a_server_that_runs_with_its_file_has_no_findings(program: str, tmp_path: Path) -> None:
    options = {**HIDE, "host_config": {"b.org": {"auth_method": "external"}}}
    with Ejabberd(program, hosts=["example.org", "b.org"], options=options) as server:
        found = check(server, written(server, tmp_path))
        assert found.keys() == {"api-version", "api-options", "api-login"}
        server.config["auth_use_cache"] = True
        server.config["host_config"]["b.org"]["auth_method"] = "mnesia"
        found = check(server, written(server, tmp_path))
        assert "api-option-differs" in found
        assert "api-options" not in found
        time.sleep(1)
        assert not shown(server.log().encode())


def test_the_suggested_permission_is_enough(program: str, tmp_path: Path) -> None:
    server = Ejabberd(program, options={**HIDE, "api_permissions": {**ONLY_STATUS}})
    with server:
        found = check(server, written(server, tmp_path))
    assert found["api-options-unknown"]["place"] == ["api_permissions"]
    server.config["api_permissions"] |= yaml.safe_load(found["api-options-unknown"]["line"])
    with server:
        found = check(server, written(server, tmp_path))
    assert found.keys() == {"api-version", "api-options", "api-login"}


def test_the_suggested_permission_is_enough_for_an_account(
    service: TokenService, program: str, tmp_path: Path
) -> None:
    service.add("admin@example.org", PASSWORD)
    server = Ejabberd(program, options={**HIDE, "api_permissions": {**ONLY_STATUS}})
    config = tmp_path / "extauth-http.toml"
    config.write_text(
        f'{config.read_text()}[ejabberd]\napi = "http://127.0.0.1:{server.api_port}/api"\n'
        '[ejabberd.service_auth]\nkind = "basic"\nusername = "admin@example.org"\n'
        f'password = "{PASSWORD}"\n'
    )
    with server:
        found = check(server, written(server, tmp_path))
    refused = found["api-options-unknown"]
    assert "the account may not call this command" in refused["found"]
    assert refused["place"] == ["api_permissions"]
    server.config["api_permissions"] |= yaml.safe_load(refused["line"])
    server.config |= yaml.safe_load("\n".join(refused["details"][1:]))
    with server:
        found = check(server, written(server, tmp_path))
    assert found.keys() == {"api-account", "api-version", "api-options", "api-login"}


def test_a_wrong_url_has_the_listener_to_write(program: str, tmp_path: Path) -> None:
    with Ejabberd(program, options=HIDE) as server:
        file = written(server, tmp_path)
        (finding,) = check(server, file, f"http://127.0.0.1:{server.api_port}/").values()
    assert "is not mod_http_api" in finding["found"]
    assert finding["line"].startswith("listen:")


@pytest.mark.parametrize("more", [{}, {"hide_sensitive_log_data": False}])
def test_no_password_is_sent_to_an_ejabberd_that_would_log_it(
    program: str, tmp_path: Path, more: dict[str, bool]
) -> None:
    options = {"loglevel": "info", **more}
    with Ejabberd(program, options=options) as server:
        found = check(server, written(server, tmp_path))
        time.sleep(1)
        assert not shown(server.log().encode())
        server.check_password("alice", "example.org", "wonder:land")
        time.sleep(1)
        is_logged = bool(shown(server.log().encode()))
    assert ("api-password-logged" in found) == is_logged
    assert ("api-login" in found) != is_logged
