"""An ejabberd.yml for a test: written, parsed, and all findings about it."""

from pathlib import Path

from extauth_http.check.ejabberd_yml import (
    authentication,
    global_options,
    keyword_findings,
    listeners,
    login_bans,
    login_bypasses,
    sasl_mechanisms,
    shared_pools,
    user_existence,
)
from extauth_http.check.ejabberd_yml.keywords import UNKNOWN, Environment
from extauth_http.check.ejabberd_yml.parser import EjabberdYml, Option
from extauth_http.check.finding import Finding

PROGRAM = "/opt/extauth-http/bin/extauth-http"


def parse(
    folder: Path, text: str, environment: Environment = UNKNOWN, **included: str
) -> EjabberdYml:
    """The text as ejabberd.yml, with other files beside it. The hosts are a.org and b.org unless
    the text has some."""
    for name, inner in included.items():
        (folder / f"{name}.yml").write_text(inner)
    file = folder / "ejabberd.yml"
    file.write_text(text if "hosts:" in text else f"hosts: [a.org, b.org]\n{text}\n")
    return EjabberdYml(file, environment)


def words(option: Option | None) -> list[str]:
    return option.value.words if option else []


def all_findings(file: Path, environment: Environment = UNKNOWN) -> list[Finding]:
    yml = EjabberdYml(file, environment)
    found = [
        *global_options.findings(yml),
        *listeners.findings(yml),
        *shared_pools.total(yml),
    ]
    for host in yml.hosts:
        found += authentication.findings(yml, host, PROGRAM)
        found += sasl_mechanisms.findings(yml, host)
        found += login_bypasses.findings(yml, host)
        found += login_bans.findings(yml, host)
        found += keyword_findings.findings(yml, host)
        found += shared_pools.findings(yml, host)
        found.append(user_existence.finding(yml, host))
    return found


def findings_by_id(file: Path, environment: Environment = UNKNOWN) -> dict[str, Finding]:
    return {each.id: each for each in all_findings(file, environment)}


def findings_of(
    folder: Path, options: str, environment: Environment = UNKNOWN
) -> dict[str, Finding]:
    """The findings, by id, about a file with one host, example.org, and these options."""
    file = folder / "ejabberd.yml"
    file.write_text(f"hosts: [example.org]\n{options}\n")
    return findings_by_id(file, environment)
