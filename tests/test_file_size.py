"""Each file can be read in one sitting."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_LINES = 300
LONGER = {"examples/token_service.py": "All of it is in one file"}
"""The files with more lines, and the words of their docstring that give the reason."""

FILES = [
    file.relative_to(ROOT).as_posix()
    for folder in ("src", "tests", "benchmarks", "fuzz", "examples", "bin", "debian")
    for file in sorted((ROOT / folder).rglob("*"))
    if file.suffix in {".py", ".lua"}
]


def test_all_files_are_found() -> None:
    assert len(FILES) > 400


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_300_lines_at_most_or_gives_a_reason(name: str) -> None:
    text = (ROOT / name).read_text()
    is_longer = len(text.splitlines()) > MAX_LINES
    assert is_longer is (name in LONGER)
    assert not is_longer or LONGER[name] in text.split('"""')[1]
