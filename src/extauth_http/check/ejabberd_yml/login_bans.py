"""mod_fail2ban, which cannot tell an unavailable service from a wrong password.

Verified on ejabberd 23.01, 24.12 and 26.07.
"""

from collections.abc import Iterator

from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding, warning

FAILURES = 20
"""The default of ``c2s_max_auth_failures``."""


def findings(yml: EjabberdYml, host: str) -> Iterator[Finding]:
    module = yml.modules(host).get("mod_fail2ban")
    if module is None:
        return
    access = module.value.get("access")
    if access and access.plain == "all":  # no address is ever banned
        return
    limit = module.value.get("c2s_max_auth_failures")
    failures = limit.plain if limit else FAILURES
    yield warning(
        "mod-fail2ban",
        f"mod_fail2ban bans an address after {failures} failed logins, and counts a login without "
        "an answer of the service as failed: an outage of the service bans all clients",
        host=host,
        line="access: all",
        place=(*module.place, "mod_fail2ban"),
        where=module.value.where,
        details=(
            f"with this line, it bans nobody; or remove mod_fail2ban from {'.'.join(module.place)}",
            "examples/fail2ban of extauth-http counts refused passwords only",
            "to lift a ban after an outage: ejabberdctl unban_ip ADDRESS",
        ),
    )
