"""What the tests of findings ask of them."""

import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from extauth_http.check.finding import Finding, Level


def ids(found: Iterable[Finding]) -> set[str]:
    return {each.id for each in found}


def bad(found: Iterable[Finding]) -> set[str]:
    """The ids of what is not good."""
    return {each.id for each in found if each.level is not Level.GOOD}


def one(found: Iterable[Finding], identity: str) -> Finding:
    """The first finding of this id."""
    return next(each for each in found if each.id == identity)


def known(*modules: ModuleType) -> set[str]:
    """The ids of the findings that stand in some source."""
    source = "".join(Path(str(module.__file__)).read_text() for module in modules)
    return set(re.findall(r'(?:good|warning|broken|tell)\(\s*"([a-z0-9-]+)"', source))
