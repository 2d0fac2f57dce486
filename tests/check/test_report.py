"""The list for people can be read and copied anywhere; the JSON says the same."""

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


def test_piped_it_is_plain_and_no_line_is_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
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
        "✘ broken; mend the lines with ✘, then run this again",
    ]


@pytest.mark.parametrize("width", [20, 40, 80])
def test_on_a_narrow_terminal_what_is_to_be_copied_stays_whole(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
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


def test_nothing_found_acts_on_a_terminal_or_is_markup(capsys: pytest.CaptureFixture[str]) -> None:
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
    ("found", "code", "verdict"),
    [([], 0, "good"), (FOUND[:1], 0, "good"), (FOUND[:2], 1, "warning"), (FOUND, 2, "broken")],
)
def test_the_worst_finding_is_the_verdict(
    capsys: pytest.CaptureFixture[str], found: list[Finding], code: int, verdict: str
) -> None:
    assert report.show([("Title", found), ("Empty", [])]) == code
    assert "Empty" not in capsys.readouterr().out
    text, level = report.as_json([("Title", found)])
    assert level is Level(code)
    whole = json.loads(text)
    assert (whole["exit_code"], whole["verdict"]) == (code, verdict)


def test_json_carries_all_of_a_finding() -> None:
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


def test_a_locale_without_the_marks_is_no_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    report.show([("Title", FOUND)])
    sys.stdout.flush()
    assert b"it is fine" in raw.getvalue()
