"""A new user starts with the ejabberd.yml of the package and does only what `check` reports.

The test changes only what belongs to this machine: ports, addresses, a certificate, and the admin
API that shows whether ejabberd has started.
"""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.e2e.conftest import PROGRAM
from tests.e2e.ejabberd import Ejabberd, out_of
from tests.e2e.installation import ROOT
from tests.e2e.xmpp import logs_in
from tests.token_service import TokenService

pytestmark = pytest.mark.e2e
STOCK = ROOT / "usr/share/ejabberd/ejabberd.yml.example"


class StockEjabberd(Ejabberd):
    """An ejabberd with the configuration of the package, on free ports of the loopback address."""

    def __init__(self, certificate: Path) -> None:
        super().__init__("unused")
        harness = self.config
        self.config = yaml.safe_load(STOCK.read_text())
        c2s = next(each for each in self.config["listen"] if each["module"] == "ejabberd_c2s")
        c2s |= {"port": self.c2s_port, "ip": "127.0.0.1"}
        self.config |= {
            "listen": [c2s, harness["listen"][1]],
            "certfiles": [str(certificate)],
            "api_permissions": harness["api_permissions"],
            "acme": harness["acme"],
            "hosts": ["localhost"],
        }


def apply(config: dict[str, Any], finding: dict[str, Any]) -> None:
    """Does what a finding says."""
    if "on any release: remove mod_last from modules" in finding["details"]:
        del config["modules"]["mod_last"]
        return
    inner: Any = config
    for step in finding["place"]:
        inner = inner[step]
    inner.update(yaml.safe_load(finding["line"]))


def test_the_lines_of_check_lead_from_the_stock_file_to_a_login(
    tmp_path: Path, service: TokenService
) -> None:
    service.add("alice@localhost", "wonder:land")
    authority = trustme.CA()
    certificate, trusted = tmp_path / "server.pem", tmp_path / "ca.pem"
    # The default of trustme, the year 3000, crashes the certificate process of ejabberd.
    issued = authority.issue_cert("localhost", not_after=datetime.now(UTC) + timedelta(days=30))
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(trusted))
    toml = tmp_path / "extauth-http.toml"
    toml.write_text(f'[backend]\nkind = "rest"\nurl = "{service.url}"\n')
    server = StockEjabberd(certificate)
    file = tmp_path / "ejabberd.yml"
    check: list[str | Path] = [PROGRAM, "--config", toml, "check", "--ejabberd-yml", file]
    check += ["--run-as", "root", "--user", "alice@localhost"]
    codes = []
    for _ in range(4):
        file.write_text(yaml.safe_dump(server.config))
        checked = subprocess.run(
            [*check, "--json"],
            input="wonder:land\n",
            capture_output=True,
            text=True,
        )
        report = json.loads(checked.stdout)
        assert report["exit_code"] == checked.returncode
        assert "wonder:land" not in checked.stdout + checked.stderr
        codes.append(checked.returncode)
        if checked.returncode == 0:
            break
        for finding in report["findings"]:
            if finding["level"] != "good":
                apply(server.config, finding)
    assert codes == [2, 0]
    server.config["hide_sensitive_log_data"] = True  # otherwise check sends no password
    server.config["extauth_program"] = out_of(ROOT, server.config["extauth_program"])
    file.write_text(yaml.safe_dump(server.config))
    with server:
        assert logs_in(server, "alice@localhost", "wonder:land", trusted)
        assert not logs_in(server, "alice@localhost", "wrong", trusted)
        url = f"http://127.0.0.1:{server.api_port}/api"
        running = subprocess.run(
            [*check, "--api", url, "--json"],
            input="wonder:land\n",
            capture_output=True,
            text=True,
        )
    ids = {each["id"] for each in json.loads(running.stdout)["findings"]}
    assert {"api-version", "api-options", "api-login"} <= ids
