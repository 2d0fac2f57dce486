"""Which listeners lose connections when clients reconnect."""

from pathlib import Path

import pytest
import yaml

from extauth_http.check.ejabberd_yml import listener_backlog
from extauth_http.check.ejabberd_yml.keywords import Environment
from extauth_http.ejabberd_api.releases import Release
from tests.check.ejabberd_yml.files import parse

C2S = {"port": 5222, "module": "ejabberd_c2s"}
HTTP = {"port": 5280, "module": "ejabberd_http"}
OLD, NEW = Release(23, 1), Release(23, 10)

LISTENERS: list[tuple[dict[str, object], Release | None, int, str]] = [
    # a listener, the release, the clients, part of the text; without a text there is no finding
    (C2S, OLD, 1000, "5 connections wait until ejabberd 23.01 accepts them"),
    (C2S, None, 1000, "5 connections wait until ejabberd before 23.10 accepts them"),
    (C2S, NEW, 1000, ""),
    (C2S, OLD, 5, ""),
    (C2S, OLD, 6, "at port 5222, backlog is not set"),
    (C2S | {"backlog": 16}, NEW, 1000, "backlog is 16"),
    (C2S | {"backlog": 128}, OLD, 1000, ""),
    (C2S | {"backlog": "@BACKLOG@"}, OLD, 1000, ""),
    (HTTP, OLD, 1000, ""),
    (HTTP | {"request_handlers": {"/api": "mod_http_api"}}, OLD, 1000, ""),
    (HTTP | {"request_handlers": {"/ws": "ejabberd_http_ws"}}, OLD, 1000, "at port 5280"),
    ({"port": 1883, "module": "mod_mqtt"}, OLD, 1000, "at port 1883"),
    ({"port": 5269, "module": "ejabberd_s2s_in"}, OLD, 1000, ""),
]


@pytest.mark.parametrize(("listener", "release", "clients", "text"), LISTENERS)
def test_a_short_queue_of_a_listener_for_clients_is_a_warning(
    tmp_path: Path,
    listener: dict[str, object],
    release: Release | None,
    clients: int,
    text: str,
) -> None:
    yml = parse(tmp_path, yaml.safe_dump({"listen": [listener]}), Environment(release))
    found = list(listener_backlog.findings(yml, clients))
    assert [each.id for each in found] == (["listener-backlog"] if text else [])
    for finding in found:
        assert text in finding.found
        assert finding.place == ("listen", 0)
        fixed = listener | yaml.safe_load(finding.line)
        yml = parse(tmp_path, yaml.safe_dump({"listen": [fixed]}), Environment(release))
        assert not list(listener_backlog.findings(yml, clients))
