"""The configuration of extauth-http: the file is there and valid."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from extauth_http.backends.registry import load
from extauth_http.check.account import Account
from extauth_http.check.backend_example import (
    NO_EXAMPLES,
    BackendExample,
    example_config,
)
from extauth_http.check.configuration import permissions, risky_settings
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.config.loader import CONFIG_VARIABLE, PREFIX, ConfigError, config_file
from extauth_http.config.settings import Settings


def findings(
    file: Path | None,
    account: Account | None,
    *,
    for_ejabberd: bool,
    examples: Mapping[str, BackendExample] = NO_EXAMPLES,
) -> tuple[Settings | None, list[Finding]]:
    """The settings, None if they cannot be used, and the findings about them.

    ``account`` reads the file and writes the log. It is None for a configuration of ``serve``,
    whose account is unknown. ``for_ejabberd`` says that the server is ejabberd, not MongooseIM.
    ``examples`` are the backends by virtual host to write into a missing file.
    """
    chosen = config_file(file)
    found = list(_environment())
    if chosen and _is_missing(chosen):
        return None, [*found, _missing(chosen, examples)]
    try:
        settings = load(chosen)
    except ConfigError as error:
        return None, [*found, *(_invalid(problem, chosen) for problem in error.problems)]
    found.append(good("config-valid", f"{chosen or 'the environment'} is valid{_source(file)}"))
    if chosen:
        found += permissions.findings(chosen, settings, account)
    found += risky_settings.findings(settings, for_ejabberd=for_ejabberd)
    if account:
        found += permissions.log_findings(settings, account)
    return settings, found


def _source(file: Path | None) -> str:
    if file or not os.environ.get(CONFIG_VARIABLE):
        return ""
    return f" (from {CONFIG_VARIABLE} in this environment)"


def _is_missing(file: Path) -> bool:
    try:
        file.stat()
    except FileNotFoundError:
        return True
    except OSError:
        pass  # the error of load() is more precise
    return False


def _missing(file: Path, examples: Mapping[str, BackendExample]) -> Finding:
    return broken(
        "config-missing",
        f"{file} does not exist. Create it, or name another file with --config. The lines below "
        "are a minimal configuration",
        line=example_config(examples),
        where=str(file),
    )


def _invalid(problem: str, file: Path | None) -> Finding:
    line = "deadline = 8.0" if ": deadline: " in problem else ""
    return broken("config-invalid", problem, line=line, where=str(file or ""))


def _environment() -> Iterator[Finding]:
    variables = sorted(name for name in os.environ if name.upper().startswith(PREFIX))
    if variables:
        yield warning(
            "config-environment",
            f"this check uses {', '.join(variables)} from your environment. ejabberd may not have "
            "the same environment",
            line=f"unset {' '.join(variables)}",
        )
