"""The SASL mechanisms of a virtual host: PLAIN is on, OAuth tokens and SCRAM are off."""

from collections.abc import Iterator

from extauth_http.check.ejabberd_yml.host_options import location, replacement
from extauth_http.check.ejabberd_yml.parser import EjabberdYml, Option
from extauth_http.check.finding import Finding, broken, good, warning
from extauth_http.check.suggested_lines import yaml_list


def findings(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    parts = yml.parts(host, "disable_sasl_mechanisms")
    yield from _plain(parts, host)
    yield _oauth(parts, host)
    yield from _scram(yml, host)


def _plain(parts: list[Option], host: str) -> Iterator[Finding]:
    for part in parts:
        rest = _without_plain(part.value.words)
        if rest != part.value.words:
            yield broken(
                "plain-disabled",
                "disable_sasl_mechanisms disables PLAIN, the only mechanism that works with an "
                "external program: no client can log in with a password",
                host=host,
                **replacement(part, "disable_sasl_mechanisms", rest),
            )


def _oauth(parts: list[Option], host: str) -> Finding:
    last = parts[-1] if parts else None
    if "X-OAUTH2" in [word.upper() for part in parts for word in part.value.words]:
        return good("oauth-off", "X-OAUTH2 is disabled", host=host, **location(last))
    disabled = _without_plain(last.value.words) if last else []
    return warning(
        "oauth",
        "clients can log in with ejabberd's own OAuth tokens (SASL X-OAUTH2) without a request to "
        "the program. Keep this only if you issue such tokens",
        line=yaml_list("disable_sasl_mechanisms", [*disabled, "X-OAUTH2"]),
        host=host,
        **location(last),
    )


def _scram(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    """Options for passwords that ejabberd stores. With ``external`` it stores none."""
    for part in yml.parts(host, "auth_stored_password_types"):
        if part.value.words:
            yield broken(
                "scram-types",
                "auth_stored_password_types makes ejabberd offer SCRAM, which does not work with "
                "an external program: clients prefer SCRAM to PLAIN, and their login fails",
                host=host,
                **replacement(part, "auth_stored_password_types", []),
            )
    scram = yml.option(host, "auth_password_format")
    if scram and scram.value.plain == "scram":
        yield good(
            "scram-format",
            "auth_password_format: scram has no effect on external. ejabberd does not offer SCRAM; "
            "clients log in with PLAIN, and clients that accept SCRAM only cannot log in",
            host=host,
            **location(scram),
        )


def _without_plain(words: list[str]) -> list[str]:
    return [word for word in words if word.upper() != "PLAIN"]
