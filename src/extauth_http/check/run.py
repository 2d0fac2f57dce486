"""The whole check, from its arguments to its exit code."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from extauth_http.check import (
    backend,
    ejabberd_rules,
    own_config,
    pool,
    report,
    running,
    ways_in,
)
from extauth_http.check.account import Account, NoAccount
from extauth_http.check.as_ejabberd_starts_it import watch
from extauth_http.check.ejabberd_yml import BadYml, EjabberdYml
from extauth_http.check.finding import Finding, broken, warning
from extauth_http.check.login import Login, ask_for
from extauth_http.settings import config_file

USUAL_PROGRAM = Path("/opt/extauth-http/bin/extauth-http")


@dataclass(frozen=True, slots=True)
class Question:
    """What to check; see ``extauth-http check --help``."""

    config: Path | None
    ejabberd_yml: Path | None
    run_as: str | None
    user: str | None
    clients: int | None
    api: str | None
    as_json: bool


def check(question: Question) -> int:
    """Prints what it finds and gives the exit code. Raises ValueError for unusable arguments."""
    try:
        account = Account(question.run_as)
    except NoAccount as why:
        raise ValueError(f"--run-as: {why}") from None
    login = ask_for(question.user) if question.user else None
    sections: list[tuple[str, list[Finding]]] = []
    yml = None
    if question.ejabberd_yml:
        try:
            yml = EjabberdYml(question.ejabberd_yml)
        except BadYml as bad:
            said = f"ejabberd would not start with this: {bad.why}"
            found = [broken("ejabberd-yml", said, where=bad.where)]
            sections.append((str(question.ejabberd_yml), found))
    sections += _of_program(question, yml, account, login)
    if yml:
        sections += _of_ejabberd(yml, question, account, login)
    if question.api:
        found = list(running.findings(question.api, yml, account, login))
        sections.append((f"The running ejabberd at {question.api}", found))
    if question.as_json:
        print(report.as_json(sections))
    else:
        report.show(sections)
    return int(report.worst(sections))


def _of_program(
    question: Question, yml: EjabberdYml | None, account: Account, login: Login | None
) -> list[tuple[str, list[Finding]]]:
    """This program's configurations: the one that was named, or those that ejabberd.yml names;
    none where ejabberd.yml names other programs only."""
    asked: dict[Path | None, list[str]] = {}
    if yml:
        for host in yml.hosts:
            line = ejabberd_rules.program_of(yml, host)
            if question.config or line is None or own_config.is_ours(line):
                named = question.config or own_config.named_in(line or "")
                asked.setdefault(named, []).append(host)
    else:
        asked[question.config] = []
    sections: list[tuple[str, list[Finding]]] = []
    for file, hosts in asked.items():
        settings, found = own_config.findings(file, account, yml is not None)
        sections.append(("The configuration of extauth-http", found))
        if settings:
            own = login if login and (not hosts or login.host in hosts) else None
            sections.append(("The service", list(backend.findings(settings, hosts, own))))
    return sections


def _of_ejabberd(
    yml: EjabberdYml, question: Question, account: Account, login: Login | None
) -> list[tuple[str, list[Finding]]]:
    sections = []
    for host in yml.hosts:
        found = [*ejabberd_rules.of_host(yml, host, _suggested(question))]
        found += ways_in.of_host(yml, host)
        line = ejabberd_rules.program_of(yml, host)
        if line and ejabberd_rules.is_external(yml, host):
            seen = watch(line, host, account, login)
            found += seen.findings
            if not account.can_become:
                found.append(_not_as(account, host))
            if seen.latency:
                found += pool.of_host(yml, host, seen.latency, question.clients)
        sections.append((f"Virtual host {host}", found))
    rest = [*ejabberd_rules.of_all(yml), *ways_in.of_listeners(yml)]
    sections.append((f"{yml.file}, for all hosts", rest))
    return sections


def _not_as(account: Account, host: str) -> Finding:
    return warning(
        "program-not-as-ejabberd",
        f"the program ran as yourself; as root this shows what {account.name} sees",
        host=host,
    )


def _suggested(question: Question) -> str:
    """The ``extauth_program`` line that starts this very program."""
    this = Path(sys.argv[0])
    words = [str(this.absolute() if this.name == "extauth-http" else USUAL_PROGRAM)]
    config = config_file(question.config)
    if config:
        words += ["--config", str(config.absolute())]
    return shlex.join(words)
