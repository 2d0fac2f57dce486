"""Modules of a virtual host that log users in without a request to the external program."""

from collections.abc import Iterator

from extauth_http.check.ejabberd_yml.host_options import location
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding, warning


def findings(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    modules = yml.modules(host)
    fast = modules.get("mod_auth_fast")
    if fast:
        yield warning(
            "mod-auth-fast",
            "mod_auth_fast (XEP-0484) gives each client a token of ejabberd itself, and a new "
            "token before the old one expires. The client can log in for as long as it comes back, "
            "even if its credential was revoked. disable_sasl_mechanisms does not change that",
            host=host,
            where=fast.value.where,
            details=(
                f"to turn it off: remove mod_auth_fast from {'.'.join(fast.place)}",
                "to keep it: on 26.07, ejabberdctl change_password removes the tokens of a user; "
                "on 24.12 it does not, and a token ends after token_lifetime (30 days) without use",
            ),
        )
    oauth = yml.option(host, "oauth_access")
    if oauth and oauth.value.plain != "none" and "mod_mqtt" in modules:
        yield warning(
            "oauth-mqtt",
            "oauth_access lets users get OAuth tokens of ejabberd, and MQTT 5 accepts them for a "
            "login without a request to the program, whatever disable_sasl_mechanisms contains",
            line="oauth_access: none",
            host=host,
            **location(oauth),
        )
