"""Options of the whole file: obsolete names, options without effect, relative includes."""

from collections.abc import Iterator

from extauth_http.check.ejabberd_yml.host_options import location
from extauth_http.check.ejabberd_yml.included_files import WORKING_DIRECTORY
from extauth_http.check.ejabberd_yml.parser import EjabberdYml, Option
from extauth_http.check.finding import Finding, broken, warning
from extauth_http.check.suggested_lines import yaml_list, yaml_quoted


def findings(yml: EjabberdYml) -> Iterator[Finding]:
    yield from _obsolete(yml)
    yield from _hidden_plain(yml)
    for include in yml.relative_includes:
        yield warning(
            "include-relative",
            "include_config_file contains a relative name: ejabberd looks in the directory in "
            f"which it starts, with ejabberdctl {WORKING_DIRECTORY}, and not beside ejabberd.yml",
            line=yaml_quoted("include_config_file", yml.with_absolute_paths(include)),
            where=include.where,
        )


def _obsolete(yml: EjabberdYml) -> Iterator[Finding]:
    for option in _checked(yml, "extauth_cache"):
        # No line to copy: with auth_use_cache in its place, that option could be set twice.
        yield warning(
            "extauth-cache",
            "extauth_cache is obsolete and has no effect. auth_use_cache replaces it",
            details=(f"remove extauth_cache from {'.'.join(option.place) or 'the file'}",),
            host=_host(option),
            **location(option),
        )
    for option in _checked(yml, "extauth_instances"):
        yield warning(
            "extauth-instances",
            "extauth_instances is the old name of extauth_pool_size",
            line=f"extauth_pool_size: {option.value.plain}",
            host=_host(option),
            **location(option),
        )


def _checked(yml: EjabberdYml, name: str) -> Iterator[Option]:
    """The occurrences of an option that concern the checked hosts."""
    return (
        option
        for option in yml.occurrences(name)
        if not option.place or option.place[1] in yml.checked_hosts
    )


def _hidden_plain(yml: EjabberdYml) -> Iterator[Finding]:
    hidden = yml.top.get("auth_password_types_hidden_in_sasl1")  # no effect in host_config (26.07)
    if hidden and "plain" in hidden.words:
        rest = [word for word in hidden.words if word != "plain"]
        yield broken(
            "plain-hidden",
            "auth_password_types_hidden_in_sasl1 hides PLAIN, the only mechanism that works with "
            "an external program: clients without SASL2 cannot log in",
            line=yaml_list("auth_password_types_hidden_in_sasl1", rest),
            where=hidden.where,
        )


def _host(option: Option) -> str:
    return option.place[1] if option.place else ""
