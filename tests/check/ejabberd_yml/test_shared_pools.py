"""extauth_pool_name: hosts that share a pool use the programs of one of them."""

from pathlib import Path

import pytest

from extauth_http.check.ejabberd_yml import host_options, pool_size, shared_pools
from extauth_http.check.finding import Finding, Level
from tests.check.ejabberd_yml.files import parse

SHARED = """
auth_method: [external]
extauth_program: /bin/a
extauth_pool_size: 4
extauth_pool_name: shared
"""


def findings(folder: Path, host: str, options: str) -> list[Finding]:
    return list(shared_pools.findings(parse(folder, options), host))


CASES = [
    # options of b.org, level for b.org, part of the text
    ("{}", Level.GOOD, "a.org, b.org share the pool shared"),
    ("{extauth_program: /bin/b}", Level.BROKEN, "starts the extauth_program of a.org"),
    ("{extauth_pool_size: 8}", Level.WARNING, "the extauth_pool_size of a.org counts"),
]


@pytest.mark.parametrize(("options", "level", "text"), CASES)
def test_options_that_have_no_effect_are_reported(
    tmp_path: Path, options: str, level: Level, text: str
) -> None:
    (found,) = findings(tmp_path, "b.org", f"{SHARED}host_config: {{b.org: {options}}}")
    assert (found.id, found.level) == ("pool-name", level)
    assert text in found.found
    if level is not Level.GOOD:
        assert found.line == 'extauth_pool_name: "b.org"'
        assert found.place == ("host_config", "b.org")


@pytest.mark.parametrize("hosts", ["[a.org, b.org]", "[b.org, a.org]"])
def test_the_first_host_of_the_alphabet_decides(tmp_path: Path, hosts: str) -> None:
    own = "{extauth_program: /bin/b, extauth_pool_size: 8}"
    yml = parse(tmp_path, f"hosts: {hosts}\n{SHARED}host_config: {{b.org: {own}}}")
    assert host_options.extauth_program(yml, "b.org") == "/bin/a"
    assert host_options.pool_size(yml, "b.org")[0] == 4


def test_without_a_name_each_host_has_its_own_pool(tmp_path: Path) -> None:
    options = SHARED.replace("extauth_pool_name: shared", "")
    yml = parse(tmp_path, f"{options}host_config: {{b.org: {{extauth_program: /bin/b}}}}")
    assert host_options.extauth_program(yml, "b.org") == "/bin/b"
    assert not list(shared_pools.findings(yml, "b.org"))


def test_a_host_with_another_method_is_not_part_of_a_pool(tmp_path: Path) -> None:
    yml = parse(tmp_path, f"{SHARED}host_config: {{a.org: {{auth_method: mnesia}}}}")
    assert host_options.hosts_of_pool(yml, "b.org") == ["b.org"]
    assert not list(shared_pools.findings(yml, "b.org"))


def test_the_rate_of_a_pool_is_that_of_all_its_hosts(tmp_path: Path) -> None:
    (found,) = pool_size.findings(parse(tmp_path, SHARED), "b.org", 0.1, None)
    assert "this allows at most 40 logins per second at a.org, b.org together" in found.found


POOLS = [
    # options of b.org, with a name for the pool, part of the text
    ("{}", False, "2 pools of the same extauth_program have 8 members together"),
    (
        "{extauth_pool_size: 6}",
        False,
        "10 members together. If the hosts share one pool, it needs 6",
    ),
    ("{}", True, ""),
    ("{extauth_program: /bin/b}", False, ""),
    ("{auth_method: mnesia}", False, ""),
]


@pytest.mark.parametrize(("options", "is_shared", "text"), POOLS)
def test_several_pools_of_one_program_are_counted(
    tmp_path: Path, options: str, is_shared: bool, text: str
) -> None:
    common = SHARED if is_shared else SHARED.replace("extauth_pool_name: shared", "")
    yml = parse(tmp_path, f"{common}host_config: {{b.org: {options}}}")
    found = [each.found for each in shared_pools.total(yml)]
    assert len(found) == bool(text)
    assert text in "".join(found)
