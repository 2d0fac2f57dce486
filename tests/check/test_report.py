"""The report as text can be read and copied anywhere. The JSON has the same content."""

import io
import json
import sys

import pytest
from rich.console import Console

from extauth_http.check import report
from extauth_http.check.finding import Finding, Level, broken, good, warning

LINE = "extauth_program: " + "x" * 200
FOUND = [
    good("fine", "it is fine", line="not shown", where="/e.yml:1"),
    warning("so-so", "word " * 60, line=LINE, place=("host_config", "a.org"), where="/e.yml:3"),
    broken("bad", "it is bad", line="[backend]\nkind = 'rest'", details=("one", "two")),
]
EVIL = "\x1b[31mred\x1b]0;title\x07 \x9b2J \u202egnp.exe \r[red]markup[/red] :smile: \0"


def shown(capsys: pytest.CaptureFixture[str], *found: Finding) -> str:
    report.show([("Title", found)])
    return capsys.readouterr().out


def test_without_a_terminal_no_line_is_wrapped_or_coloured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, *FOUND)
    assert "\x1b" not in text
    assert text.splitlines() == [
        "Title",
        "  ✔ it is fine",
        f"  ! {'word ' * 60}",
        "      at /e.yml:3",
        "      under host_config.a.org:",
        f"      {LINE}",
        "  ✘ it is bad",
        "      one",
        "      two",
        "      [backend]",
        "      kind = 'rest'",
        "",
        "✘ Problems found. Fix the lines marked ✘.",
    ]


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_line_to_copy_is_never_wrapped(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    output = io.StringIO()
    monkeypatch.setattr(
        "rich.console.Console",
        lambda **_: Console(file=output, force_terminal=True, width=width, color_system=None),
    )
    report.show([("Title", FOUND)])
    assert f"      {LINE}\n" in output.getvalue()
    assert len(max(output.getvalue().replace(LINE, "").splitlines(), key=len)) <= width


def test_only_the_mark_is_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(
        "rich.console.Console",
        lambda **_: Console(file=output, force_terminal=True, width=80, color_system="standard"),
    )
    report.show([("Title", FOUND[2:])])
    assert "\x1b[1;31m✘ \x1b[0mit is bad" in output.getvalue()


def test_nothing_in_a_finding_controls_the_terminal_or_is_markup(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finding = broken("bad", EVIL, line=f"a: {EVIL}", where=EVIL, place=(EVIL,), details=(EVIL,))
    report.show([(EVIL, [finding])])
    text = capsys.readouterr().out
    assert all(each.isprintable() or each == "\n" for each in text)
    assert "[red]markup[/red] :smile:" in text
    assert "\ufffd[31mred\ufffd]0;title\ufffd \ufffd2J \ufffdgnp.exe \ufffd[red]" in text
    whole, _ = report.as_json([(EVIL, [finding])])
    assert whole.isprintable()
    assert whole.isascii()
    assert json.loads(whole)["findings"][0]["found"] == EVIL


@pytest.mark.parametrize(
    ("found", "code", "verdict", "last"),
    [
        ([], 0, "good", "✔ No problems found."),
        (FOUND[:1], 0, "good", "✔ No problems found."),
        (FOUND[:2], 1, "warning", "! Warnings found. Read the lines marked !."),
        (FOUND, 2, "broken", "✘ Problems found. Fix the lines marked ✘."),
    ],
)
def test_the_highest_level_is_the_verdict(
    capsys: pytest.CaptureFixture[str], found: list[Finding], code: int, verdict: str, last: str
) -> None:
    assert report.show([("Title", found), ("Empty", [])]) == code
    output = capsys.readouterr().out
    assert "Empty" not in output
    assert output.splitlines()[-1] == last
    text, level = report.as_json([("Title", found)])
    assert level is Level(code)
    whole = json.loads(text)
    assert (whole["exit_code"], whole["verdict"]) == (code, verdict)


def test_the_json_has_all_fields_of_a_finding() -> None:
    (*_, last) = json.loads(report.as_json([("Title", FOUND)])[0])["findings"]
    assert last == {
        "id": "bad",
        "level": "broken",
        "section": "Title",
        "found": "it is bad",
        "line": "[backend]\nkind = 'rest'",
        "place": [],
        "where": "",
        "host": "",
        "details": ["one", "two"],
    }


def test_a_locale_without_the_marks_is_not_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    report.show([("Title", FOUND)])
    sys.stdout.flush()
    assert b"it is fine" in raw.getvalue()
