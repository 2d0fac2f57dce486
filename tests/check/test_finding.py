"""Every finding that stands in the source is asked for by name in a test of its module."""

import ast
from pathlib import Path
from types import ModuleType

import pytest

from extauth_http.check import (
    as_ejabberd_starts_it,
    backend,
    hidden,
    own_config,
    pool,
    reached,
    run,
    running,
)
from tests.check.findings import known

# Those about ejabberd.yml have files: test_ejabberd_rules.py.
TESTED_WITH = {reached: "backend"}
MODULES = [as_ejabberd_starts_it, backend, hidden, own_config, pool, reached, run, running]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.split(".")[-1])
def test_every_finding_is_shown_by_a_test(module: ModuleType) -> None:
    name = TESTED_WITH.get(module, module.__name__.split(".")[-1])
    tests = ast.parse((Path(__file__).parent / f"test_{name}.py").read_text())
    words = {each.value for each in ast.walk(tests) if isinstance(each, ast.Constant)}
    assert known(module)
    assert known(module) <= words
