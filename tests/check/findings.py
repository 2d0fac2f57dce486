"""Findings by id, and the ids of all findings in a module."""

import ast
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from extauth_http.check.finding import Finding, Level

CREATED_BY = {"good", "warning", "broken"}


def ids(found: Iterable[Finding]) -> set[str]:
    return {each.id for each in found}


def bad(found: Iterable[Finding]) -> set[str]:
    """The ids of warnings and problems."""
    return {each.id for each in found if each.level is not Level.GOOD}


def one(found: Iterable[Finding], identity: str) -> Finding:
    """The first finding of this id."""
    return next(each for each in found if each.id == identity)


def known(*modules: ModuleType) -> set[str]:
    """The ids of the findings in the source of some modules."""
    trees = [ast.parse(Path(str(module.__file__)).read_text()) for module in modules]
    first = [
        call.args[0]
        for tree in trees
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args
        if call.func.id in CREATED_BY
    ]
    words = [each for argument in first for each in ast.walk(argument)]
    return {str(each.value) for each in words if isinstance(each, ast.Constant)}
