"""Which configuration file the ``extauth_program`` of each virtual host uses."""

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from extauth_http.check.ejabberd_yml.host_options import (
    extauth_program,
    extauth_program_yaml,
    location,
)
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding, warning
from extauth_http.check.program import command_line
from extauth_http.config.loader import config_file
from extauth_http.config.settings import Settings

FilesOfHosts = dict[Path | None, list[str]]
"""Files with the virtual hosts that use each of them. None means the default file."""


def files_of_hosts(yml: EjabberdYml | None, chosen: Path | None) -> FilesOfHosts:
    """The files to check. ``chosen`` is the file of ``--config``; it is then the only one.

    Empty if ejabberd.yml starts other programs only.
    """
    files: FilesOfHosts = {}
    for host in yml.checked_hosts if yml else []:
        program = extauth_program(yml, host) if yml else None
        if not _is_checked(program, chosen):
            continue
        files.setdefault(_file_used_by(program, chosen), []).append(host)
    if chosen or not yml:
        return {chosen: [host for hosts in files.values() for host in hosts]}
    return files


def is_read_by_service(yml: EjabberdYml | None) -> bool:
    """Whether each program is a relay. Then ``serve`` reads the configuration, and its account is
    not that of ejabberd."""
    programs = [extauth_program(yml, host) for host in yml.checked_hosts] if yml else []
    return bool(programs) and all(each and command_line.is_relay(each) for each in programs)


def misspelled_hosts(settings: Settings, yml: EjabberdYml) -> Iterator[Finding]:
    """Tables in ``[hosts]`` whose name is almost that of a virtual host without a table. The host
    then uses ``[backend]``, so another service decides about its users."""
    without_table = [host for host in yml.hosts if host not in settings.hosts]
    for host in sorted(set(settings.hosts) - set(yml.hosts)):
        similar = get_close_matches(host, without_table, 1, cutoff=0.8)
        if similar:
            yield warning(
                "hosts-misspelled",
                f'[hosts."{host}"] has no effect: {host} is not a virtual host of this ejabberd, '
                f"but {similar[0]} is",
                line=f'[hosts."{similar[0]}".backend]',
                host=similar[0],
            )


def findings(yml: EjabberdYml, chosen: Path | None) -> Iterator[Finding]:
    """Programs that use another file than the checked one, or a file that depends on a folder."""
    for host in yml.checked_hosts:
        program = extauth_program(yml, host)
        if program is None or not command_line.is_ours(program):
            continue
        if not command_line.is_relay(program):
            yield from _file_findings(yml, host, program, chosen)
        elif not _is_checked(program, chosen):
            yield warning(
                "config-of-service",
                "extauth_program is a relay. Name the configuration of its service",
                line="extauth-http --config FILE check",
                host=host,
            )


def _is_checked(program: str | None, chosen: Path | None) -> bool:
    """Whether there is a configuration to check for this program. The file of a relay is known
    only if it is named or at the default path."""
    if program and command_line.is_relay(program):
        file = config_file(chosen)
        return not file or os.path.exists(file)  # noqa: PTH110 - its folder may be closed
    return program is None or command_line.is_ours(program)


def _file_used_by(program: str | None, chosen: Path | None) -> Path | None:
    if program is None or command_line.is_relay(program):
        return chosen
    file = command_line.config_argument(program)
    return Path("/") / file if file else None


def _file_findings(
    yml: EjabberdYml, host: str, program: str, chosen: Path | None
) -> Iterator[Finding]:
    option = yml.option(host, "extauth_program")
    file = command_line.config_argument(program)
    used = file or config_file(None, {})
    if file and not file.is_absolute():
        yield warning(
            "config-relative",
            f"extauth_program contains the relative path {file}, which depends on the directory in "
            "which ejabberd starts",
            line=extauth_program_yaml(command_line.with_config(program, file)),
            host=host,
            **location(option),
        )
    elif chosen and used and chosen.absolute() != used:
        yield warning(
            "config-other",
            f"extauth_program uses {used}, but this check reads {chosen}",
            line=extauth_program_yaml(command_line.with_config(program, chosen)),
            host=host,
            **location(option),
        )
