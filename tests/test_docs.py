"""What the documentation shows can be copied."""

import re
import sys
import tomllib
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from extauth_http.backends.registry import load

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "extauth_http"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
CONFIGURATIONS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL))
    if "[backend]" in block or "[hosts" in block
]


def test_the_documentation_shows_configurations() -> None:
    assert len(CONFIGURATIONS) >= 3


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_a_configuration_in_the_documentation_can_be_copied(tmp_path: Path, text: str) -> None:
    file = tmp_path / "extauth-http.toml"
    # What it names in /etc is not on this machine.
    for name in re.findall(r'(?:_|\b)file = "(/etc/[^"]+)"', text):
        secret = tmp_path / Path(name).name
        secret.write_text("a-secret-of-32-bytes-and-a-few-more\n")
        text = text.replace(name, str(secret))
    file.write_text(text)
    assert load(file).backends()


def test_the_example_configuration_can_be_copied() -> None:
    assert load(ROOT / "examples" / "extauth-http.toml").backends()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def paths(page: Path) -> list[str]:
    """The files and folders of this repository that a page names.

    An absolute path is on the machine of the reader. A word in capitals stands for any name. The
    text of a link is left out: another test follows the link.
    """
    found = re.findall(r"(?<!\[)`([\w.-]+/[\w./-]*|[\w.-]+\.py)`", page.read_text())
    return [path for path in found if not re.search(r"(^|[/_])[A-Z]+\.", path)]


def test_the_documentation_names_files() -> None:
    assert "backends/registry.py" in paths(ROOT / "docs" / "architecture.md")
    assert "src/extauth_http/backends/registry.py" in paths(ROOT / "CONTRIBUTING.md")
    assert paths(ROOT / "README.md") == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_file_that_a_page_names_exists(page: Path) -> None:
    """A path is relative to the repository or to ``src/extauth_http``."""
    missing = [
        path for path in paths(page) if not (ROOT / path).exists() and not (SOURCE / path).exists()
    ]
    assert missing == []


def test_the_page_about_the_architecture_describes_each_package() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    packages = {file.parent.name for file in SOURCE.glob("*/__init__.py")}
    assert "protocol" in packages
    assert {name for name in packages if f"| `{name}/` |" not in text} == set()


def test_the_direction_of_imports_is_the_one_that_is_enforced() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("protocol ←"))
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = [set(layer.split(" | ")) for layer in reversed(contract["contracts"][0]["layers"])]
    assert [set(layer.split(", ")) for layer in line.split(" ← ")] == layers


def anchors(page: Path) -> set[str]:
    """What its headings are called in links."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_anchors_are_headings(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text())
    missing = [
        (file, anchor)
        for file, anchor in links
        if anchor not in anchors(page.parent / file if file else page)
    ]
    assert missing == []


def python_blocks(page: str) -> list[str]:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return [dedent(block) for block in blocks]


def test_the_documented_backend_passes_its_documented_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend, *others, test = python_blocks("docs/plugins.md")
    for block in others:
        compile(block, "plugins.md", "exec")
    module = ModuleType("extauth_http_plaintext")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(backend, "plugins.md", "exec"), module.__dict__)
    tests: dict[str, Any] = {}
    exec(compile(test, "plugins.md", "exec"), tests)
    tests["test_ok_is_allow"]()
