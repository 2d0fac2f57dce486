"""What ejabberd.yml makes of a login at one virtual host, as far as this program is concerned."""

import json
from collections.abc import Iterator

from extauth_http.check.ejabberd_yml.parser import WORKING_DIRECTORY, EjabberdYml, Option
from extauth_http.check.ejabberd_yml.yaml_values import Value
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
    """Options that do not do what they say, each where it stands."""
    for place, value in yml.every("extauth_cache"):
        yield warning(
            "extauth-cache",
            "extauth_cache is obsolete and has no effect: it switches no cache on or off, "
            "auth_use_cache is what does now",
            details=(f"take extauth_cache out of {'.'.join(place) or 'the file'}",),
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
    hidden = yml.top.get("auth_password_types_hidden_in_sasl1")
    if hidden and "plain" in hidden.words:  # in host_config it hides nothing (26.07)
        rest = [word for word in hidden.words if word != "plain"]
        yield broken(
            "plain-hidden",
            "auth_password_types_hidden_in_sasl1 hides PLAIN, the only mechanism that works with "
            "an external program: clients without SASL2 cannot log in",
            line=f"auth_password_types_hidden_in_sasl1: [{', '.join(rest)}]",
            where=hidden.where,
        )
    for named in yml.relative:
        yield warning(
            "include-relative",
            "include_config_file without the whole path: ejabberd looks in the directory that it "
            f"is started in, with ejabberdctl {WORKING_DIRECTORY}, and not beside its ejabberd.yml",
            line=f"include_config_file: {json.dumps(yml.absolute(named))}",
            where=named.where,
        )


def is_external(yml: EjabberdYml, host: str) -> bool:
    """Whether the program is asked about this host at all."""
    method = yml.option(host, "auth_method")
    return bool(method and "external" in method.value.words)


def program_of(yml: EjabberdYml, host: str) -> str | None:
    """The host's ``extauth_program`` line."""
    option = yml.option(host, "extauth_program")
    return str(option.value.plain) if option and option.value.plain else None


def program_line(program: str) -> str:
    """The line of YAML that names a program."""
    return f"extauth_program: {json.dumps(program)}"


def pool_size_of(yml: EjabberdYml, host: str) -> tuple[int | None, Option | None]:
    """The size of the host's pool, None where it is one member a CPU core."""
    option = yml.option(host, "extauth_pool_size") or yml.option(host, "extauth_instances")
    size = option.value.plain if option else None
    return (size if isinstance(size, int) and size > 0 else None), option


def _host(place: tuple[str, ...]) -> str:
    return place[1] if place else ""


def _at(option: Option | None) -> dict[str, object]:
    return {"where": option.value.where, "place": option.place} if option else {}


def _mended(part: Option, name: str, rest: list[str]) -> dict[str, object]:
    """How a list of words becomes just these; an appended one that is to be empty is to go."""
    if part.is_appended and not rest:
        host = part.place[1]
        gone = f"take {name} out of append_host_config for {host}"
        return {"where": part.value.where, "details": (gone,)}
    return {**_at(part), "line": f"{name}: [{', '.join(rest)}]"}


def _auth_method(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    parts = yml.parts(host, "auth_method")
    methods = [word for part in parts for word in part.value.words]
    if "external" not in methods:
        said = f"auth_method is {', '.join(methods)}" if methods else "auth_method is not set"
        yield broken(
            "auth-method-not-external",
            f"{said}{'' if methods else ', which means default_db, or mnesia'}: ejabberd never "
            "asks the program",
            line="auth_method: [external]",
            host=host,
            **(_at(parts[0]) if parts and not parts[0].is_appended else {}),
        )
        return
    for part in parts:
        mended = _mended(part, "auth_method", [] if part is not parts[0] else ["external"])
        for method in dict.fromkeys(part.value.words):
            if method != "external":
                yield _beside(method, host, mended)
    if set(methods) == {"external"}:
        yield good("auth-method", "auth_method is external alone", host=host, **_at(parts[-1]))


def _beside(method: str, host: str, mended: dict[str, object]) -> Finding:
    if method == "anonymous":
        return warning(
            "anonymous",
            "auth_method has anonymous: anybody gets in without a password, and the program is not "
            "asked; keep it only for a host of its own that is meant for guests",
            host=host,
            **mended,
        )
    return warning(
        "auth-method-beside",
        f"auth_method has {method} beside external: "
        f"{OTHER_METHODS.get(method, 'whom the program refuses is asked about there')}",
        host=host,
        **mended,
    )


def _program(yml: EjabberdYml, host: str, program: str) -> Iterator[Finding]:
    if program_of(yml, host):
        return
    yield broken(
        "extauth-program-missing",
        "extauth_program is not set: there is nothing to ask",
        line=program_line(program),
        place=(),
        host=host,
    )


def _cache(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    option, how = _cache_comes_from(yml, host)
    if option and option.value.truth is False:
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
    return "true" if value.truth else "false"


def _scope(option: Option) -> str:
    return f" in {option.place[0]}" if option.place else ""


def _mechanisms(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    parts = yml.parts(host, "disable_sasl_mechanisms")
    for part in parts:
        rest = [word for word in part.value.words if word.upper() != "PLAIN"]
        if rest != part.value.words:
            yield broken(
                "plain-disabled",
                "disable_sasl_mechanisms takes PLAIN away, the only mechanism that works with an "
                "external program: no password login is left",
                host=host,
                **_mended(part, "disable_sasl_mechanisms", rest),
            )
    last = parts[-1] if parts else None
    if "X-OAUTH2" in [word.upper() for part in parts for word in part.value.words]:
        yield good("oauth-off", "X-OAUTH2 is disabled", host=host, **_at(last))
    else:
        kept = [word for word in last.value.words if word.upper() != "PLAIN"] if last else []
        yield warning(
            "oauth",
            "ejabberd's own OAuth tokens (SASL X-OAUTH2) let a client in without asking the "
            "program; keep this only if you issue such tokens",
            line=f"disable_sasl_mechanisms: [{', '.join([*kept, 'X-OAUTH2'])}]",
            host=host,
            **_at(last),
        )
    yield from _stored_passwords(yml, host)


def _stored_passwords(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    """Options for passwords that ejabberd stores; with ``external`` it stores none."""
    for part in yml.parts(host, "auth_stored_password_types"):
        if part.value.words:
            yield broken(
                "scram-types",
                "auth_stored_password_types has ejabberd offer SCRAM, which an external program "
                "cannot answer: clients choose it before PLAIN, and are refused",
                host=host,
                **_mended(part, "auth_stored_password_types", []),
            )
    scram = yml.option(host, "auth_password_format")
    if scram and scram.value.plain == "scram":
        yield good(
            "scram-format",
            "auth_password_format: scram has no effect on external: SCRAM is not offered, clients "
            "log in with PLAIN, and those that want SCRAM only cannot",
            host=host,
            **_at(scram),
        )
