"""Files that systemd hides from ejabberd."""

from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.check.program.systemd_sandbox import findings

DEBIAN = "[Service]\nUser=ejabberd\nPrivateTmp=true\nProtectHome=true\n"


@pytest.mark.parametrize(
    ("unit", "line", "words"),
    [
        (DEBIAN, "/root/venv/bin/extauth-http --config /tmp/x.toml", 2),
        (DEBIAN, "/opt/x/extauth-http --config /etc/ejabberd/x.toml", 0),
        (DEBIAN, "/home/alice/check.pl", 1),
        (DEBIAN.replace("true", "no"), "/home/alice/check.pl /tmp/x", 0),
        (DEBIAN, "env EXTAUTH_HTTP_CONFIG=/home/x.toml /opt/x --config=/tmp/x.toml", 2),
        ("[Service]\nProtectHome=tmpfs\n", "/home/alice/check.pl /tmp/x", 1),
        ("[Service]\nProtectHome=read-only\n", "/home/alice/check.pl /tmp/x", 0),
        (None, "/home/alice/check.pl /tmp/x", 0),
    ],
)
def test_each_file_that_the_service_cannot_see_is_a_warning(
    tmp_path: Path, account: Account, unit: str | None, line: str, words: int
) -> None:
    file = tmp_path / "ejabberd.service"
    if unit:
        file.write_text(unit)
    assert not list(findings(line, "a.org", account, [file]))  # the unit is for ejabberd only
    account.name = "ejabberd"
    found = list(findings(line, "a.org", account, [tmp_path / "none", file]))
    assert [each.id for each in found] == ["program-hidden"] * words


def test_an_override_of_the_unit_counts(tmp_path: Path, account: Account) -> None:
    file = tmp_path / "ejabberd.service"
    file.write_text(DEBIAN)
    added = tmp_path / "ejabberd.service.d" / "override.conf"
    added.parent.mkdir()
    added.write_text("[Service]\nProtectHome=no\n")
    account.name = "ejabberd"
    found = list(findings("/home/alice/check.pl /tmp/x", "a.org", account, [file]))
    assert ["/tmp/x" in each.found for each in found] == [True]
