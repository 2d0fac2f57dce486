"""Predefined keywords in ``extauth_program``, and what they depend on."""

from collections.abc import Iterator

from extauth_http.check.ejabberd_yml.host_options import extauth_program_yaml
from extauth_http.check.ejabberd_yml.keywords import (
    MODULES_ONLY,
    SINCE,
    names_in,
    replace_in_text,
)
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Correction, Finding, broken, good, warning


def findings(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    option = yml.option(host, "extauth_program")
    if option is None:
        return
    written = yml.before_keywords(option)
    values = yml.environment.all_values(yml.file)
    line = extauth_program_yaml(replace_in_text(written, {**values, "HOST": host}))
    names = names_in(written)
    is_per_host = any(name in MODULES_ONLY for name in names)
    place = ("host_config", host) if is_per_host else option.place
    correction: Correction = {"where": option.value.where, "place": place, "line": line}
    for name in names:
        yield _finding(yml, host, name, correction)


def _finding(yml: EjabberdYml, host: str, name: str, correction: Correction) -> Finding:
    release = yml.environment.release
    if name in MODULES_ONLY:
        return broken(
            "keyword",
            f"extauth_program contains @{name}@, which ejabberd replaces in options of modules "
            "only: the program receives this text",
            host=host,
            **correction,
        )
    if release and not yml.environment.replaces(name):
        return broken(
            "keyword",
            f"extauth_program contains @{name}@, which ejabberd replaces since {SINCE[name]}: on "
            f"{release} the program receives this text",
            host=host,
            **correction,
        )
    value = yml.keywords.get(name)
    if release:
        return good(
            "keyword",
            f"extauth_program contains @{name}@, which ejabberd {release} replaces with {value}",
            host=host,
            where=correction["where"],
        )
    assumed = f". This check assumes {value}" if value else ""
    return warning(
        "keyword",
        f"extauth_program contains @{name}@, which ejabberd replaces since {SINCE[name]}; before, "
        f"the program receives this text{assumed}. With --api, the check knows the release",
        host=host,
        **correction,
    )
