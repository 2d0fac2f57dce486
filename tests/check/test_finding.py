"""Each finding in the source occurs in the tests of its module."""

import ast
from pathlib import Path
from types import ModuleType

import pytest

from extauth_http.check import sections
from extauth_http.check.configuration import file, permissions, risky_settings, selection
from extauth_http.check.ejabberd_yml import listener_backlog, pool_size
from extauth_http.check.live_server import api_account, running_options
from extauth_http.check.live_server import probe as live_server
from extauth_http.check.program import apparmor, exchange, systemd_sandbox
from extauth_http.check.program import probe as program
from extauth_http.check.service import certificate, reachability
from extauth_http.check.service import probe as service
from extauth_http.check.signals import probe as signals
from tests.check.findings import known

# The other findings about ejabberd.yml have a file each: ejabberd_yml/test_rules.py.
TESTED_WITH = {exchange: "program/test_probe.py"}
MODULES = [
    api_account,
    apparmor,
    certificate,
    exchange,
    file,
    listener_backlog,
    live_server,
    permissions,
    pool_size,
    program,
    reachability,
    risky_settings,
    running_options,
    sections,
    selection,
    service,
    signals,
    systemd_sandbox,
]


def file_of_tests(module: ModuleType) -> Path:
    *folders, name = module.__name__.removeprefix("extauth_http.check.").split(".")
    file = TESTED_WITH.get(module, "/".join([*folders, f"test_{name}.py"]))
    return Path(__file__).parent / file


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_each_finding_occurs_in_a_test(module: ModuleType) -> None:
    tests = ast.parse(file_of_tests(module).read_text())
    words = {each.value for each in ast.walk(tests) if isinstance(each, ast.Constant)}
    assert known(module)
    assert known(module) <= words
