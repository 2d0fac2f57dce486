"""How many logins a second a pool allows, and how long everybody takes to come back."""

import math
import os
from collections.abc import Iterator

from extauth_http.check.ejabberd_yml.login_rules import pool_size_of
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding, good, warning

GIVES_UP = 30.0
"""Seconds after which ejabberd refuses a login, the time in the queue included."""

AIM = 15.0
"""Seconds in which a storm is to be over: half of that, as answers take longer under load."""


def of_host(yml: EjabberdYml, host: str, latency: float, clients: int | None) -> Iterator[Finding]:
    """``latency`` is the measured time of one answer, in seconds; ``clients`` is how many come
    back at once after a restart."""
    configured, option = pool_size_of(yml, host)
    # Erlang counts the machine's processors, also where it may not use all of them.
    size = configured or os.cpu_count() or 1
    place = option.place if option else ()
    where = option.value.where if option else ""
    named = f"extauth_pool_size is {size}" + ("" if configured else ", one a CPU core")
    rate = _down(logins_a_second(size, latency))
    said = f"{named}: at {_milliseconds(latency)} ms an answer that is {rate} logins a second"
    if clients is None:
        yield good("pool", said, host=host, where=where, place=place)
        return
    storm = storm_of(clients, size, latency)
    said += f", and {clients} clients that come back at once are in after {_up(storm)} s"
    if storm <= AIM:
        yield good("pool", said, host=host, where=where, place=place)
        return
    effect = "that is close to the 30 s after which ejabberd refuses a login that waits"
    if storm > GIVES_UP:
        late = clients - math.floor(GIVES_UP * logins_a_second(size, latency))
        effect = f"ejabberd refuses those that wait more than 30 s, {late} of them"
    enough = enough_for(clients, latency)
    yield warning(
        "pool-too-small",
        f"{said}; {effect}, and {enough} would do it in {AIM:.0f} s",
        line=f"extauth_pool_size: {enough}",
        host=host,
        where=where,
        place=place,
    )


def logins_a_second(size: int, latency: float) -> float:
    """Each member answers one login at a time."""
    return size / latency


def storm_of(clients: int, size: int, latency: float) -> float:
    """Seconds until all of them are in."""
    return clients * latency / size


def enough_for(clients: int, latency: float) -> int:
    """The smallest pool that has them all in within AIM."""
    return math.ceil(clients * latency / AIM)


def _milliseconds(latency: float) -> str:
    return f"{latency * 1000:.0f}" if latency >= 0.01 else f"{latency * 1000:.2g}"


def _down(rate: float) -> str:
    """A pool that allows 9.97 logins a second does not allow 10."""
    return f"{math.floor(rate)}" if rate >= 10 else f"{math.floor(rate * 10) / 10:.1f}"


def _up(seconds: float) -> str:
    return f"{math.ceil(seconds * 10) / 10:.1f}"
