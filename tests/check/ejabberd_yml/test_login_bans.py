"""mod_fail2ban, which counts an outage as wrong passwords."""

from pathlib import Path

import pytest

from tests.check.ejabberd_yml.files import findings_of

CASES = [
    ("modules: {mod_fail2ban: {}}", "bans an address after 20 failed logins"),
    ("modules: {mod_fail2ban: {c2s_max_auth_failures: 3}}", "after 3 failed logins"),
    ("modules: {mod_fail2ban: {access: all}}", None),
    ("modules: {mod_roster: {}}", None),
]


@pytest.mark.parametrize(("options", "text"), CASES)
def test_mod_fail2ban_is_a_finding_unless_it_bans_nobody(
    tmp_path: Path, options: str, text: str | None
) -> None:
    found = findings_of(tmp_path, options).get("mod-fail2ban")
    assert (found is not None) == (text is not None)
    if found and text:
        assert text in found.found
        assert any("unban_ip" in detail for detail in found.details)
