"""The sections of the report, in order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from extauth_http.check.account import Account
from extauth_http.check.configuration import file as configuration
from extauth_http.check.configuration import selection
from extauth_http.check.ejabberd_yml import (
    auth_http,
    authentication,
    global_options,
    host_options,
    keyword_findings,
    listener_backlog,
    listeners,
    login_bans,
    login_bypasses,
    pool_size,
    sasl_mechanisms,
    shared_pools,
    user_existence,
)
from extauth_http.check.ejabberd_yml.keywords import Environment
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.live_server import probe as live_server
from extauth_http.check.login import Login
from extauth_http.check.program import apparmor, command_line, systemd_sandbox
from extauth_http.check.program import probe as program
from extauth_http.check.report import Section
from extauth_http.check.service import probe as service
from extauth_http.check.signals import probe as signals
from extauth_http.check.suggested_lines import yaml_list
from extauth_http.config.endpoint import Endpoint
from extauth_http.config.loader import config_file
from extauth_http.protocol.preparation import nodeprep
from extauth_http.protocol.replies import Dialect


@dataclass(slots=True)
class Checks:
    """What to check. ``hosts`` are the only virtual hosts to check; empty means all of them.
    ``dialects`` are those of the configurations that were checked so far."""

    config: Path | None
    ejabberd_yml: Path | None
    reconnect: pool_size.Reconnect | None
    account: Account
    api: Endpoint | None
    login: Login | None
    hosts: tuple[str, ...] = ()
    dialects: set[Dialect] = field(default_factory=set)

    def sections(self) -> Iterator[Section]:
        """Each section as soon as it is complete: a program that hangs takes a while."""
        if self.account.is_guessed:
            text = (
                f"this machine has no account ejabberd, so programs run as {self.account.name}. "
                "Name the account of ejabberd with --run-as"
            )
            yield "The account", [warning("account-guessed", text)]
        yml = None
        if self.ejabberd_yml:
            try:
                yml = EjabberdYml(self.ejabberd_yml, self._environment(), self.hosts)
            except EjabberdYmlError as error:
                text = f"ejabberd does not start with this file: {error.reason}"
                yield str(self.ejabberd_yml), [broken("ejabberd-yml", text, where=error.where)]
        yield from self._configurations(yml)
        if yml:
            yield from self._ejabberd_yml(yml)
        if self.api:
            config = config_file(self.config)
            found = live_server.findings(
                self.api, config, yml, self.account, self.login, self.dialects
            )
            yield f"The running ejabberd at {self.api}", list(found)

    def _configurations(self, yml: EjabberdYml | None) -> Iterator[Section]:
        if yml:
            found = list(selection.findings(yml, self.config))
            yield "The configuration that ejabberd.yml uses", found
        account = None if selection.is_read_by_service(yml) else self.account
        for_ejabberd = bool(self.ejabberd_yml or self.api)
        examples = auth_http.backend_examples(yml) if yml else {}
        for file, hosts in selection.files_of_hosts(yml, self.config).items():
            settings, found = configuration.findings(
                file, account, for_ejabberd=for_ejabberd, examples=examples
            )
            if settings and yml:
                found += selection.misspelled_hosts(settings, yml)
            yield "The configuration of extauth-http", found
            if settings:
                self.dialects.add(settings.dialect)
                is_of_host = not hosts or (self.login and self.login.host in hosts)
                login = self.login if is_of_host else None
                yield "The service", list(service.findings(settings, hosts, login, examples))
                yield "The signals service", list(signals.findings(config_file(file)))

    def _ejabberd_yml(self, yml: EjabberdYml) -> Iterator[Section]:
        if self.login and self.login.host not in yml.hosts:
            text = f"{self.login.host} is not a virtual host of this ejabberd: no login is possible"
            hosts = yaml_list("hosts", [*yml.top["hosts"].words, self.login.host])
            yield "The user", [broken("user-host", text, line=hosts)]
        missing = [host for host in self.hosts if nodeprep(host) not in yml.hosts]
        if missing:
            text = f"--host: {', '.join(missing)}: not a virtual host of this ejabberd"
            yield "The virtual hosts", [broken("host-missing", text)]
        is_started = False
        for host in yml.checked_hosts:
            found = self._host(yml, host)
            line = host_options.extauth_program(yml, host)
            if line and host_options.uses_external(yml, host):
                is_started = True
                found += self._program(yml, host, line)
            yield f"Virtual host {host}", found
        found = [
            *global_options.findings(yml),
            *listeners.findings(yml),
            *shared_pools.total(yml),
        ]
        if self.reconnect:
            found += listener_backlog.findings(yml, self.reconnect.clients)
        if is_started and not self.account.can_become:
            text = (
                f"extauth_program ran as {self.account.runs_as}. Run this as root to start it as "
                f"{self.account.name}"
            )
            found.append(warning("program-not-as-ejabberd", text))
        yield f"{yml.file}, for all hosts", found

    def _host(self, yml: EjabberdYml, host: str) -> list[Finding]:
        return [
            *authentication.findings(
                yml, host, command_line.suggested_program(config_file(self.config))
            ),
            *keyword_findings.findings(yml, host),
            *shared_pools.findings(yml, host),
            user_existence.finding(yml, host),
            *sasl_mechanisms.findings(yml, host),
            *login_bypasses.findings(yml, host),
            *login_bans.findings(yml, host),
        ]

    def _environment(self) -> Environment:
        """What the meaning of ejabberd.yml depends on. Only the API knows the release."""
        release = live_server.release(self.api, config_file(self.config)) if self.api else None
        return Environment(release, self.account.home)

    def _program(self, yml: EjabberdYml, host: str, line: str) -> Iterator[Finding]:
        if not command_line.is_ours(line):
            text = "extauth_program is not extauth-http. The following checks apply to any program"
            yield good("program-other", text, host=host)
        yield from systemd_sandbox.findings(line, host, self.account)
        yield from apparmor.findings(line, host, self.account)
        result = program.probe(line, host, self.account, self.login)
        yield from result.findings
        if result.latency:
            yield from pool_size.findings(yml, host, result.latency, self.reconnect)
