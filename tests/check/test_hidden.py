"""Files that systemd keeps from ejabberd are named, as its account alone would see them."""

from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.check.hidden import of_line

DEBIAN = "[Service]\nUser=ejabberd\nPrivateTmp=true\nProtectHome=true\n"


@pytest.mark.parametrize(
    ("unit", "line", "words"),
    [
        (DEBIAN, "/root/venv/bin/extauth-http --config /tmp/x.toml", 2),
        (DEBIAN, "/opt/x/extauth-http --config /etc/ejabberd/x.toml", 0),
        (DEBIAN, "/home/alice/check.pl", 1),
        (DEBIAN.replace("true", "no"), "/home/alice/check.pl /tmp/x", 0),
        ("[Service]\nProtectHome=read-only\n", "/home/alice/check.pl /tmp/x", 1),
        (None, "/home/alice/check.pl /tmp/x", 0),
    ],
)
def test_what_the_service_does_not_see_is_named(
    tmp_path: Path, account: Account, unit: str | None, line: str, words: int
) -> None:
    file = tmp_path / "ejabberd.service"
    if unit:
        file.write_text(unit)
    assert not list(of_line(line, "a.org", account, [file]))  # some other account's
    account.name = "ejabberd"
    found = list(of_line(line, "a.org", account, [tmp_path / "none", file]))
    assert [each.id for each in found] == ["program-hidden"] * words
