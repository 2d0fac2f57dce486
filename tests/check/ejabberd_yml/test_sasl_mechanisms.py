"""The SASL mechanisms of a virtual host."""

from pathlib import Path

import pytest

from extauth_http.check.finding import Level
from tests.check.ejabberd_yml.files import findings_of

DISABLED = [
    ("disable_sasl_mechanisms: PLAIN", "disable_sasl_mechanisms: []", ()),
    (
        "disable_sasl_mechanisms: [plain, DIGEST-MD5, X-OAUTH2]",
        "disable_sasl_mechanisms: [DIGEST-MD5, X-OAUTH2]",
        (),
    ),
    (
        "disable_sasl_mechanisms: [X-OAUTH2]\n"
        "append_host_config: {example.org: {disable_sasl_mechanisms: [PLAIN, EXTERNAL]}}",
        "disable_sasl_mechanisms: [EXTERNAL]",
        ("append_host_config", "example.org"),
    ),
]


@pytest.mark.parametrize(("lines", "line", "place"), DISABLED)
def test_a_host_without_plain_is_broken(
    tmp_path: Path, lines: str, line: str, place: tuple[str, ...]
) -> None:
    found = findings_of(tmp_path, f"auth_method: external\n{lines}")["plain-disabled"]
    assert (found.level, found.line, found.place) == (Level.BROKEN, line, place)


def test_the_line_against_oauth_keeps_the_disabled_mechanisms(tmp_path: Path) -> None:
    found = findings_of(tmp_path, "disable_sasl_mechanisms: [DIGEST-MD5]")["oauth"]
    assert found.line == "disable_sasl_mechanisms: [DIGEST-MD5, X-OAUTH2]"
