"""Modules that log users in without a request to the program."""

from pathlib import Path

import pytest
import yaml

from extauth_http.check.ejabberd_yml import login_bypasses
from extauth_http.check.ejabberd_yml.parser import EjabberdYml

OAUTH: list[tuple[dict[str, object], bool]] = [
    ({"modules": {"mod_mqtt": {}}}, False),
    ({"modules": {"mod_mqtt": {}}, "oauth_access": "none"}, False),
    ({"modules": {"mod_mqtt": {}}, "oauth_access": "all"}, True),
    ({"oauth_access": "all"}, False),
]


@pytest.mark.parametrize(("options", "is_open"), OAUTH)
def test_oauth_tokens_over_mqtt_need_both_the_module_and_tokens(
    tmp_path: Path, options: dict[str, object], is_open: bool
) -> None:
    file = tmp_path / "ejabberd.yml"
    file.write_text(yaml.safe_dump({"hosts": ["a.org"], **options}))
    ids = {each.id for each in login_bypasses.findings(EjabberdYml(file), "a.org")}
    assert ("oauth-mqtt" in ids) == is_open
