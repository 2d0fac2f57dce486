"""The manual page has what argparse knows."""

import argparse

from debian.tools.man_page import man_page, roff

from extauth_http.cli import COMMANDS, complete_parser

PAGE = man_page(complete_parser())


def parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """A parser and those of all its commands."""
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                found += parsers(command)
    return found


ALL = parsers(complete_parser())


def test_the_complete_parser_has_the_arguments_of_all_commands() -> None:
    assert {command.name for command in COMMANDS} <= {parser.prog.split()[-1] for parser in ALL}
    assert any(parser.prog == "extauth-http user kick" for parser in ALL)


def test_each_command_has_a_section() -> None:
    headings = {line.removeprefix(".SS ") for line in PAGE.splitlines() if line.startswith(".SS")}
    assert headings == {roff(parser.prog) for parser in ALL[1:]}


def test_each_option_is_described_and_a_hidden_one_is_not() -> None:
    for section, parser in zip(PAGE.split("\n.SS "), ALL, strict=True):
        for action in parser._actions:
            if isinstance(action, argparse._HelpAction):
                continue
            is_shown = action.help != argparse.SUPPRESS
            for option in action.option_strings:
                assert (rf"\fB{roff(option)}\fR" in section) is is_shown, (parser.prog, option)


def test_a_default_is_filled_in() -> None:
    assert "%(" not in PAGE
    assert roff("(default: /run/extauth-http/port.sock)") in PAGE


def test_no_text_is_read_as_a_request_of_roff() -> None:
    assert roff(".SH x\n.PP \\fB a-b 'c'") == r"\&.SH x" + "\n" + r"\&.PP \efB a\-b \(aqc\(aq"
