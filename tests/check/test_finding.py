"""Every finding that stands in the source is asked for by name in a test of its module."""

import ast
from pathlib import Path
from types import ModuleType

import pytest

from extauth_http.check import command
from extauth_http.check.configuration import file as configuration
from extauth_http.check.ejabberd_yml import pool_size
from extauth_http.check.live_server import findings as live_server
from extauth_http.check.program import probe as program
from extauth_http.check.program import systemd_sandbox
from extauth_http.check.service import probe as service
from extauth_http.check.service import reachability
from tests.check.findings import known

# Those about ejabberd.yml have files: ejabberd_yml/test_rules.py.
TESTED_WITH = {reachability: "service/test_probe.py"}
MODULES = [
    command,
    configuration,
    live_server,
    pool_size,
    program,
    reachability,
    service,
    systemd_sandbox,
]


def file_of_tests(module: ModuleType) -> Path:
    *folders, name = module.__name__.removeprefix("extauth_http.check.").split(".")
    file = TESTED_WITH.get(module, "/".join([*folders, f"test_{name}.py"]))
    return Path(__file__).parent / file


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_finding_is_shown_by_a_test(module: ModuleType) -> None:
    tests = ast.parse(file_of_tests(module).read_text())
    words = {each.value for each in ast.walk(tests) if isinstance(each, ast.Constant)}
    assert known(module)
    assert known(module) <= words
