"""How many logins a second a pool allows, and how long everybody takes to come back."""

import math
import os
from collections.abc import Iterator

from extauth_http.check.ejabberd_rules import pool_size_of
from extauth_http.check.ejabberd_yml import EjabberdYml
from extauth_http.check.finding import Finding, good, warning

GIVES_UP = 30.0
"""Seconds after which ejabberd refuses a login, the time in the queue included."""

AIM = 15.0
"""Seconds in which a storm is to be over: half of that, as answers take longer under load."""


def of_host(yml: EjabberdYml, host: str, latency: float, clients: int | None) -> Iterator[Finding]:
    """``latency`` is the measured time of one answer, in seconds; ``clients`` is how many come
    back at once after a restart."""
    configured, option = pool_size_of(yml, host)
    size = configured or len(os.sched_getaffinity(0))
    place = option.place if option else ()
    where = option.value.where if option else ""
    named = f"extauth_pool_size is {size}" + ("" if configured else ", one a CPU core")
    rate = size / latency
    said = f"{named}: at {latency * 1000:.1f} ms an answer that is {_round(rate)} logins a second"
    if clients is None:
        yield good("pool", said, host=host, where=where, place=place)
        return
    storm = clients * latency / size
    said += f", and {clients} clients that come back at once are in after {storm:.1f} s"
    if storm <= AIM:
        yield good("pool", said, host=host, where=where, place=place)
        return
    enough = math.ceil(clients * latency / AIM)
    effect = "ejabberd refuses who waits more than 30 s" if storm > GIVES_UP else "that is close"
    yield warning(
        "pool-too-small",
        f"{said}; {effect}, and {enough} would do it in {AIM:.0f} s",
        line=f"extauth_pool_size: {enough}",
        host=host,
        where=where,
        place=place,
    )


def _round(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"
