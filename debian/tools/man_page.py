"""Writes the manual page to standard output.

It has all commands and their arguments, as argparse knows them.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from extauth_http.cli import complete_parser

Parser = argparse.ArgumentParser

END = r"""
.SH FILES
.TP
.I /etc/extauth\-http/extauth\-http.toml
the configuration that the Debian package installs
.TP
.I /etc/ejabberd/extauth\-http.toml
the default of
.B \-\-config
.TP
.I /run/extauth\-http/port.sock
the socket of
.B extauth\-http serve
.SH ENVIRONMENT
.TP
.B EXTAUTH_HTTP_CONFIG
the configuration, without
.B \-\-config
.TP
.BI EXTAUTH_HTTP_ KEY
overrides a key of the configuration;
.B EXTAUTH_HTTP_BACKEND__URL
overrides
.B url
in
.B [backend]
.SH SEE ALSO
.BR ejabberdctl (8)
.PP
The documentation is in
.IR /usr/share/doc/extauth\-http .
"""


def roff(text: str) -> str:
    """A text for roff, which gives a meaning to backslashes, hyphens and the start of a line."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq")
    return re.sub(r"^\.", r"\&.", escaped, flags=re.MULTILINE)


def man_page(parser: Parser) -> str:
    version = metadata.version("extauth-http")
    title = rf'.TH EXTAUTH\-HTTP 1 "" "extauth\-http {version}" "User Commands"'
    name = r"extauth\-http \- check ejabberd logins against an HTTP service"
    lines = [title, ".SH NAME", name, ".SH SYNOPSIS", ".nf", *_synopsis(parser), ".fi"]
    lines += [".SH DESCRIPTION", roff(parser.description or "")]
    lines += [".SH OPTIONS", *_arguments(parser), ".SH COMMANDS"]
    for command in _subcommands(parser):
        lines += _command(command)
    return "\n".join(lines) + END


def _command(parser: Parser) -> Iterator[str]:
    yield f".SS {roff(parser.prog)}"
    yield roff(_sentence(parser.description or ""))
    yield from (".PP", *_usage(parser))
    yield from _arguments(parser, is_help_shown=False)
    for command in _subcommands(parser):
        yield from _command(command)


def _synopsis(parser: Parser) -> Iterator[str]:
    for each in (parser, *_subcommands(parser)):
        yield f".B {roff(each.prog)}" if each is parser else f".B {roff(each.prog)} ..."


def _usage(parser: Parser) -> Iterator[str]:
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    yield f".B {roff(parser.prog)}"
    yield roff(usage.removeprefix(parser.prog).strip())


def _arguments(parser: Parser, *, is_help_shown: bool = True) -> Iterator[str]:
    formatter = parser.formatter_class(prog=parser.prog)
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction) and not is_help_shown:
            continue
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction):
            continue
        yield ".TP"
        yield _heading(action, formatter)
        yield roff(formatter._expand_help(action)) if action.help else ""


def _heading(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    """``--config FILE``: the words as they are typed in bold, what they stand for in italics."""
    value = ""
    if action.nargs != 0:
        default = action.dest.upper() if action.option_strings else action.dest
        value = rf"\fI{roff(formatter._format_args(action, default))}\fR"
    if not action.option_strings:
        return value
    options = ", ".join(rf"\fB{roff(option)}\fR" for option in action.option_strings)
    return f"{options} {value}".rstrip()


def _subcommands(parser: Parser) -> list[Parser]:
    return [
        command
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for command in action.choices.values()
    ]


def _sentence(text: str) -> str:
    """The descriptions of most commands are phrases."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


if __name__ == "__main__":
    sys.stdout.write(man_page(complete_parser()))
