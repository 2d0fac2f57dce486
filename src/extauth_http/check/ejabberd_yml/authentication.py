"""Whether each login at a virtual host reaches the program: auth_method, extauth_program, cache."""

from collections.abc import Iterator

from extauth_http.check.backend_example import BackendExample
from extauth_http.check.ejabberd_yml.auth_http import backend_example
from extauth_http.check.ejabberd_yml.host_options import (
    extauth_program,
    extauth_program_yaml,
    location,
    replacement,
)
from extauth_http.check.ejabberd_yml.parser import EjabberdYml, Option
from extauth_http.check.finding import Correction, Finding, broken, good, warning
from extauth_http.ejabberd_api.releases import Release

OTHER_METHODS = {
    "mnesia": "a password that ejabberd itself stores",
    "internal": "a password that ejabberd itself stores",
    "sql": "a password in ejabberd's SQL tables",
    "odbc": "a password in ejabberd's SQL tables",
    "ldap": "a password in the LDAP directory",
    "pam": "the password of an account on this machine",
    "http": "a password that the service of ejabberd_auth_http accepts",
    "jwt": "a token signed by jwt_key, even a revoked one",
}
"""What an ``auth_method`` beside ``external`` accepts after the program has refused a login.
ejabberd tries the methods one after the other."""

FIRST_WITH_CHECKED_IDENTITY = Release(26, 7)
"""With the cache, older releases do not compare the authorization identity of PLAIN (RFC 4616) with
the user whose password was checked; verified on 23.01, 24.12 and 26.07."""


def findings(yml: EjabberdYml, host: str, suggested_program: str) -> Iterator[Finding]:
    """``suggested_program`` is the command line to write if ``extauth_program`` is not set."""
    yield from _auth_method(yml, host)
    if not extauth_program(yml, host):
        yield broken(
            "extauth-program-missing",
            "extauth_program is not set",
            line=extauth_program_yaml(suggested_program),
            host=host,
        )
    yield _cache(yml, host)


def _auth_method(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    parts = yml.parts(host, "auth_method")
    methods = [word for part in parts for word in part.value.words]
    if "external" not in methods:
        yield _not_external(methods, parts, host, backend_example(yml, host))
        return
    for part in parts:
        correction = replacement(part, "auth_method", ["external"] if part is parts[0] else [])
        for method in dict.fromkeys(part.value.words):
            if method != "external":
                yield _other_method(method, host, correction)
    if set(methods) == {"external"}:
        yield good("auth-method", "auth_method is external only", host=host, **location(parts[-1]))


def _not_external(
    methods: list[str], parts: list[Option], host: str, example: BackendExample | None
) -> Finding:
    details: tuple[str, ...] = ()
    if methods:
        current = f"auth_method is {', '.join(methods)}. ejabberd never asks the program"
    else:
        current = (
            "auth_method is not set, so ejabberd uses default_db, which is mnesia by default. "
            "ejabberd never asks the program"
        )
    if example:
        current = (
            f"auth_method is {', '.join(methods)}: ejabberd itself asks the service at "
            f"{example.url} (ejabberd_auth_http of ejabberd-contrib). With external, the program "
            "asks the same service"
        )
        details = ("in extauth-http.toml:", *example.toml().splitlines())
    return broken(
        "auth-method-not-external",
        current,
        details=details,
        line="auth_method: [external]",
        host=host,
        **(location(parts[0]) if parts and not parts[0].is_appended else {}),
    )


def _other_method(method: str, host: str, correction: Correction) -> Finding:
    if method == "anonymous":
        return warning(
            "anonymous",
            "auth_method contains anonymous: everyone can log in without a password, and ejabberd "
            "does not ask the program. Use it only on a separate virtual host for guests",
            host=host,
            **correction,
        )
    accepted = OTHER_METHODS.get(method, "whatever that method accepts")
    return warning(
        "auth-method-beside",
        f"auth_method contains {method} as well as external: a user whom the program refuses can "
        f"log in with {accepted}",
        host=host,
        **correction,
    )


def _cache(yml: EjabberdYml, host: str) -> Finding:
    own = yml.option(host, "auth_use_cache")
    option = own or yml.option(host, "use_cache")
    if own:
        current = f"auth_use_cache is {_current(own)}"
    elif option:
        current = (
            f"use_cache is {_current(option)}, and auth_use_cache, which is not set, follows it"
        )
    else:
        current = "auth_use_cache is not set, and its default is true"
    if option and option.value.boolean is False:
        return good(
            "cache-off", f"{current}: each login is a new request", host=host, **location(option)
        )
    return broken(
        "cache-on",
        f"{current}: ejabberd keeps the first accepted password. A revoked password continues to "
        f"work and a new one is refused, without a request to the program{_identity_risk(yml)}",
        line="auth_use_cache: false",
        host=host,
        **location(own),
    )


def _identity_risk(yml: EjabberdYml) -> str:
    release = yml.environment.release
    if release and release >= FIRST_WITH_CHECKED_IDENTITY:
        return ""
    which = str(release or f"before {FIRST_WITH_CHECKED_IDENTITY}")
    return (
        f". On ejabberd {which}, a user can also open the session of any other user, because the "
        "authorization identity of PLAIN is not checked"
    )


def _current(option: Option) -> str:
    value = "true" if option.value.boolean else "false"
    return f"{value} in {option.place[0]}" if option.place else value
