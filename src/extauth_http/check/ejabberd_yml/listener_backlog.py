"""How many connections may wait until a listener accepts them."""

from collections.abc import Iterator

from extauth_http.check.ejabberd_yml.listeners import accepts_logins
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.ejabberd_yml.yaml_values import Value
from extauth_http.check.finding import Finding, warning
from extauth_http.ejabberd_api.releases import Release

ENOUGH = 128
"""The default since ``FIRST_WITH_128``."""

FIRST_WITH_128 = Release(23, 10)
OLD_DEFAULT = 5
SUGGESTED = 1024


def findings(yml: EjabberdYml, clients: int) -> Iterator[Finding]:
    """Warnings if so many clients reconnect. A short queue loses connections."""
    for index, listener in yml.listeners():
        backlog = listener.get("backlog")
        size = backlog.value if backlog else _default(yml.environment.release)
        if not accepts_logins(listener) or type(size) is not int or size >= min(clients, ENOUGH):
            continue
        port = listener.get("port")
        yield warning(
            "listener-backlog",
            f"at port {port.plain if port else '?'}, {_queue(yml, size, backlog)}. If more clients "
            "connect at the same time, some of them are reset, or wait for a minute",
            line=f"backlog: {SUGGESTED}",
            place=("listen", index),
            where=(backlog or listener).where,
        )


def _default(release: Release | None) -> int:
    return ENOUGH if release and release >= FIRST_WITH_128 else OLD_DEFAULT


def _queue(yml: EjabberdYml, size: int, backlog: Value | None) -> str:
    if backlog:
        return f"backlog is {size}: so many connections wait until ejabberd accepts them"
    release = yml.environment.release
    which = f"ejabberd {release}" if release else f"ejabberd before {FIRST_WITH_128}"
    return f"backlog is not set: {size} connections wait until {which} accepts them"
