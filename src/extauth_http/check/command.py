"""The whole check, from its arguments to its exit code."""

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from pathlib import Path

from extauth_http.check import report
from extauth_http.check.account import Account, AccountNotFoundError
from extauth_http.check.configuration import file as own_config
from extauth_http.check.ejabberd_yml import (
    authentication,
    global_options,
    host_options,
    listeners,
    login_bypasses,
    pool_size,
    sasl_mechanisms,
)
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.live_server import findings as running
from extauth_http.check.login import Login, LoginArgumentError, read_login
from extauth_http.check.program import command_line as named
from extauth_http.check.program import systemd_sandbox as hidden
from extauth_http.check.program.probe import watch
from extauth_http.check.program.process import children, end_children
from extauth_http.check.service import probe as backend
from extauth_http.config.endpoint import Endpoint
from extauth_http.config.loader import config_file
from extauth_http.protocol.replies import Dialect
from extauth_http.terminal.broken_pipe import discard_stdout

TOLD_TO_GO = (signal.SIGTERM, signal.SIGHUP)
USUAL_PROGRAM = Path("/opt/extauth-http/bin/extauth-http")


class ArgumentError(Exception):
    """An argument that cannot be used; nothing of a password is in its text."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What to check; see ``extauth-http check --help``."""

    config: Path | None
    ejabberd_yml: Path | None
    run_as: str | None
    user: str | None
    clients: int | None
    api: str | None
    as_json: bool


def check(options: CheckOptions) -> int:
    """Prints what it finds and gives the exit code. Raises BadArgument.

    Told to go, it first ends what it started, a program of which it only just was about to hear
    included.
    """
    others = children()
    for number in TOLD_TO_GO:
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        return _run(options)
    finally:
        for number in TOLD_TO_GO:
            signal.signal(number, signal.SIG_IGN)
        end_children(others)


def _run(options: CheckOptions) -> int:
    try:
        account = Account(options.run_as)
        url = Endpoint.parse(options.api) if options.api else None
        login = read_login(options.user) if options.user else None
    except AccountNotFoundError as why:
        raise ArgumentError(f"--run-as: {why}") from None
    except ValueError as why:
        raise ArgumentError(f"--api: {why}") from None
    except LoginArgumentError as why:
        raise ArgumentError(str(why)) from None
    sections = _Check(options, account, url, login).sections()
    if not options.as_json:
        return int(report.show(sections))
    with redirect_stdout(sys.stderr):  # a backend of a package of its own may print
        text, level = report.as_json(sections)
    try:
        print(text, flush=True)
    except BrokenPipeError:
        discard_stdout()
    return int(level)


@dataclass(slots=True)
class _Check:
    options: CheckOptions
    account: Account
    url: Endpoint | None
    login: Login | None
    dialects: set[Dialect] = field(default_factory=set)

    def sections(self) -> Iterator[report.Section]:
        """Each once it is found: a program that hangs takes a while."""
        if self.account.is_guessed:
            said = (
                f"there is no account ejabberd here, so programs run as {self.account.name}; name "
                "whom ejabberd runs as by --run-as"
            )
            yield "The account", [warning("account-guessed", said)]
        yml = None
        file = self.options.ejabberd_yml
        if file:
            try:
                yml = EjabberdYml(file)
            except EjabberdYmlError as bad:
                said = f"ejabberd does not start with this file: {bad.reason}"
                yield str(file), [broken("ejabberd-yml", said, where=bad.where)]
        yield from self._of_program(yml)
        if yml:
            yield from self._of_ejabberd(yml)
        if self.url:
            found = running.findings(self.url, yml, self.account, self.login, self.dialects)
            yield f"The running ejabberd at {self.url}", list(found)

    def _of_program(self, yml: EjabberdYml | None) -> Iterator[report.Section]:
        """This program's configurations: the one that was named, or those that ejabberd.yml names;
        none where ejabberd.yml names other programs only."""
        asked: dict[Path | None, list[str]] = {}
        found: list[Finding] = []
        lines = {host: host_options.extauth_program(yml, host) for host in yml.hosts} if yml else {}
        # Before relays the configuration is serve's, who may be another account, and should be.
        of_service = bool(lines) and all(line and named.is_relay(line) for line in lines.values())
        reader = None if of_service else self.account
        for host, line in lines.items():
            if line and named.is_relay(line) and self._has_no_config():
                found.append(
                    warning(
                        "config-of-service",
                        "extauth_program is a relay; name the configuration of its service",
                        line="extauth-http --config FILE check",
                        host=host,
                    )
                )
            elif line is None or named.is_ours(line):
                file, problem = self._file_of(line, host)
                option = yml.option(host, "extauth_program") if yml else None
                if problem and option:
                    found.append(replace(problem, where=option.value.where, place=option.place))
                asked.setdefault(file, []).append(host)
        if self.options.config or not yml:
            asked = {self.options.config: [host for hosts in asked.values() for host in hosts]}
        yield "What ejabberd.yml names", found
        for file, hosts in asked.items():
            for_ejabberd = bool(self.options.ejabberd_yml or self.url)
            settings, of_file = own_config.findings(file, reader, for_ejabberd=for_ejabberd)
            yield "The configuration of extauth-http", of_file
            if settings:
                self.dialects.add(settings.dialect)
                login = self.login if self.login and self.login.host in hosts else None
                login = login if hosts else self.login
                yield "The service", list(backend.findings(settings, hosts, login))

    def _has_no_config(self) -> bool:
        file = config_file(self.options.config)
        return bool(file and not os.path.exists(file))  # noqa: PTH110 - it may be in a closed folder

    def _file_of(self, line: str | None, host: str) -> tuple[Path | None, Finding | None]:
        """The configuration of a host's program, and how it is not the one that is looked at."""
        file = named.config_in(line) if line else None
        chosen = self.options.config
        if line is None or named.is_relay(line):
            return chosen, None
        if file and not file.is_absolute():
            found = warning(
                "config-relative",
                f"extauth_program names {file}, which depends on the folder that ejabberd is in",
                line=host_options.extauth_program_yaml(named.with_config(line, file)),
                host=host,
            )
            return Path("/") / file, found
        used = file or config_file(None, {})
        if chosen and used and chosen.absolute() != used:
            found = warning(
                "config-other",
                f"extauth_program uses {used}, and not {chosen}, which is looked at here",
                line=host_options.extauth_program_yaml(named.with_config(line, chosen)),
                host=host,
            )
            return file, found
        return file, None

    def _of_ejabberd(self, yml: EjabberdYml) -> Iterator[report.Section]:
        if self.login and self.login.host not in yml.hosts:
            said = f"{self.login.host} is no virtual host here: nobody logs in there"
            hosts = [*yml.top["hosts"].words, self.login.host]
            yield "The user", [broken("user-host", said, line=f"hosts: [{', '.join(hosts)}]")]
        started = False
        for host in yml.hosts:
            found = [*authentication.findings(yml, host, self._suggested())]
            found += sasl_mechanisms.findings(yml, host)
            found += login_bypasses.findings(yml, host)
            line = host_options.extauth_program(yml, host)
            if line and host_options.uses_external(yml, host):
                started = True
                if not named.is_ours(line):
                    said = (
                        "extauth_program is not extauth-http; what follows is seen of any program"
                    )
                    found.append(good("program-other", said, host=host))
                found += hidden.of_line(line, host, self.account)
                seen = watch(line, host, self.account, self.login)
                found += seen.findings
                if seen.latency:
                    found += pool_size.findings(yml, host, seen.latency, self.options.clients)
            yield f"Virtual host {host}", found
        rest = [*global_options.findings(yml), *listeners.findings(yml)]
        if started and not self.account.can_become:
            rest.append(
                warning(
                    "program-not-as-ejabberd",
                    f"extauth_program ran as {self.account.runs_as}; as root this shows what "
                    f"{self.account.name} sees",
                )
            )
        yield f"{yml.file}, for all hosts", rest

    def _suggested(self) -> str:
        """The ``extauth_program`` line that starts this very program."""
        this = Path(sys.argv[0])
        words = [str(this.absolute() if this.name == "extauth-http" else USUAL_PROGRAM)]
        config = config_file(self.options.config)
        if config:
            words += ["--config", str(config.absolute())]
        return shlex.join(words)
