"""What ejabberd.yml makes of a login at one virtual host, as far as this program is concerned."""

import json
from collections.abc import Iterator

from extauth_http.check.ejabberd_yml import EjabberdYml, Option, Value
from extauth_http.check.finding import Finding, broken, good, warning

OTHER_METHODS = {
    "mnesia": "whom the program refuses gets in with a password that ejabberd itself stores",
    "internal": "whom the program refuses gets in with a password that ejabberd itself stores",
    "sql": "whom the program refuses gets in with a password from ejabberd's SQL tables",
    "odbc": "whom the program refuses gets in with a password from ejabberd's SQL tables",
    "ldap": "whom the program refuses gets in with a password that the LDAP directory knows",
    "pam": "whom the program refuses gets in with a password of this machine's own accounts",
    "jwt": "whom the program refuses gets in with a token signed by jwt_key, revoked or not",
}
"""What an ``auth_method`` beside ``external`` means; ejabberd asks them one after the other."""


def of_host(yml: EjabberdYml, host: str, program: str) -> Iterator[Finding]:
    """How logins at this host come to the program; ``program`` is the extauth_program to write
    where there is none."""
    yield from _auth_method(yml, host)
    yield from _program(yml, host, program)
    yield from _cache(yml, host)
    yield from _mechanisms(yml, host)


def of_all(yml: EjabberdYml) -> Iterator[Finding]:
    """Obsolete options, each where it stands."""
    for place, value in yml.every("extauth_cache"):
        yield warning(
            "extauth-cache",
            "extauth_cache is obsolete and has no effect: it switches no cache off; take it out, "
            "auth_use_cache is what counts now",
            line="auth_use_cache: false",
            place=place,
            where=value.where,
            host=_host(place),
        )
    for place, value in yml.every("extauth_instances"):
        yield warning(
            "extauth-instances",
            "extauth_instances is now called extauth_pool_size",
            line=f"extauth_pool_size: {value.plain}",
            place=place,
            where=value.where,
            host=_host(place),
        )


def is_external(yml: EjabberdYml, host: str) -> bool:
    """Whether the program is asked about this host at all."""
    method = yml.option(host, "auth_method")
    return bool(method and "external" in method.value.words)


def program_of(yml: EjabberdYml, host: str) -> str | None:
    """The host's ``extauth_program`` line."""
    option = yml.option(host, "extauth_program")
    return str(option.value.plain) if option and option.value.plain else None


def pool_size_of(yml: EjabberdYml, host: str) -> tuple[int | None, Option | None]:
    """The size of the host's pool, None where it is one member a CPU core."""
    option = yml.option(host, "extauth_pool_size") or yml.option(host, "extauth_instances")
    size = option.value.plain if option else None
    return (size if isinstance(size, int) and size > 0 else None), option


def _host(place: tuple[str, ...]) -> str:
    return place[1] if place else ""


def _at(option: Option | None) -> dict[str, object]:
    return {"where": option.value.where, "place": option.place} if option else {}


def _auth_method(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    option = yml.option(host, "auth_method")
    methods = option.value.words if option else []
    line = "auth_method: [external]"
    if "external" not in methods:
        said = f"auth_method is {', '.join(methods)}" if methods else "auth_method is not set"
        yield broken(
            "auth-method-not-external",
            f"{said}{'' if methods else ', which means mnesia'}: ejabberd never asks the program",
            line=line,
            host=host,
            **_at(option),
        )
        return
    for method in methods:
        if method in ("external", "anonymous"):
            continue
        yield warning(
            "auth-method-beside",
            f"auth_method has {method} beside external: "
            f"{OTHER_METHODS.get(method, 'whom the program refuses is asked about there')}",
            line=line,
            host=host,
            **_at(option),
        )
    if "anonymous" in methods:
        yield warning(
            "anonymous",
            "auth_method has anonymous: anybody gets in without a password, and the program is not "
            "asked; keep it only for a host of its own that is meant for guests",
            line=line,
            host=host,
            **_at(option),
        )
    if methods == ["external"]:
        yield good("auth-method", "auth_method is external alone", host=host, **_at(option))


def _program(yml: EjabberdYml, host: str, program: str) -> Iterator[Finding]:
    if program_of(yml, host):
        return
    yield broken(
        "extauth-program-missing",
        "extauth_program is not set: there is nothing to ask",
        line=f"extauth_program: {json.dumps(program)}",
        place=(),
        host=host,
    )


def _cache(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    option, how = _cache_comes_from(yml, host)
    if option and option.value.plain is False:
        yield good(
            "cache-off", f"{how}: every login is asked about afresh", host=host, **_at(option)
        )
        return
    yield broken(
        "cache-on",
        f"{how}: ejabberd keeps the first password that was accepted, so a revoked one goes on "
        "working and a new one is refused, without the program being asked",
        line="auth_use_cache: false",
        host=host,
        **(_at(option) if how.startswith("auth_use_cache is true") else {}),
    )


def _cache_comes_from(yml: EjabberdYml, host: str) -> tuple[Option | None, str]:
    option = yml.option(host, "auth_use_cache")
    if option:
        return option, f"auth_use_cache is {_bool(option.value)}{_scope(option)}"
    option = yml.option(host, "use_cache")
    if option:
        said = f"use_cache is {_bool(option.value)}{_scope(option)}"
        return option, f"{said}, and auth_use_cache, which is not set, follows it"
    return None, "auth_use_cache is not set, and it is on by default"


def _bool(value: Value) -> str:
    return "true" if value.plain is True else "false" if value.plain is False else str(value.plain)


def _scope(option: Option) -> str:
    return f" in {option.place[0]}" if option.place else ""


def _mechanisms(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    option = yml.option(host, "disable_sasl_mechanisms")
    disabled = [word.upper() for word in option.value.words] if option else []
    if "PLAIN" in disabled:
        rest = [word for word in disabled if word != "PLAIN"]
        yield broken(
            "plain-disabled",
            "disable_sasl_mechanisms takes PLAIN away, the only mechanism that works with an "
            "external program: no password login is left",
            line=f"disable_sasl_mechanisms: {json.dumps(rest)}",
            host=host,
            **_at(option),
        )
    if "X-OAUTH2" not in disabled:
        yield warning(
            "oauth",
            "ejabberd's own OAuth tokens (SASL X-OAUTH2) let a client in without asking the "
            "program; keep this only if you issue such tokens",
            line=f"disable_sasl_mechanisms: {json.dumps([*disabled, 'X-OAUTH2'])}",
            host=host,
            **_at(option),
        )
    else:
        yield good("oauth-off", "X-OAUTH2 is disabled", host=host, **_at(option))
    scram = yml.option(host, "auth_password_format")
    if scram and scram.value.plain == "scram":
        yield good(
            "scram-format",
            "auth_password_format: scram has no effect on external: SCRAM is not offered, clients "
            "log in with PLAIN, and those that want SCRAM only cannot",
            host=host,
            **_at(scram),
        )
