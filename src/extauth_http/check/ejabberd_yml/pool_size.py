"""How many logins per second the pool allows, and how long a reconnect of all clients takes."""

import math
import os
from collections.abc import Iterator

from extauth_http.check.ejabberd_yml.host_options import hosts_of_pool, location, pool_size
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding, good, warning
from extauth_http.protocol.limits import EJABBERD_TIMEOUT

TARGET = EJABBERD_TIMEOUT / 2
"""Seconds in which all clients should be logged in. Replies take longer under load."""


def findings(yml: EjabberdYml, host: str, latency: float, clients: int | None) -> Iterator[Finding]:
    """``latency`` is the measured time of one login in seconds, ``clients`` the number of clients
    that reconnect at once after a restart of ejabberd."""
    configured, option = pool_size(yml, host)
    # Erlang counts all processors of the machine, not only those that it may use.
    size = configured or os.cpu_count() or 1
    source = "" if configured else ", one per CPU core"
    rate = _rounded_down(logins_per_second(size, latency))
    text = (
        f"extauth_pool_size is {size}{source}: at {_milliseconds(latency)} ms per login this "
        f"allows {rate} logins per second"
    )
    sharing = hosts_of_pool(yml, host)
    if len(sharing) > 1:
        text += f" at {', '.join(sharing)} together"
    if clients is None:
        yield good("pool", text, host=host, **location(option))
        return
    seconds = reconnect_time(clients, size, latency)
    text += f". {clients} clients that reconnect at once are logged in after "
    text += f"{_rounded_up(seconds)} s"
    if seconds <= TARGET:
        yield good("pool", text, host=host, **location(option))
        return
    enough = sufficient_size(clients, latency)
    yield warning(
        "pool-too-small",
        f"{text}. {_effect(clients, size, latency)}. A pool of {enough} needs {TARGET:.0f} s",
        line=f"extauth_pool_size: {enough}",
        host=host,
        **location(option),
    )


def logins_per_second(size: int, latency: float) -> float:
    """Each pool member processes one login at a time."""
    return size / latency


def reconnect_time(clients: int, size: int, latency: float) -> float:
    """Seconds until all clients are logged in."""
    return clients * latency / size


def sufficient_size(clients: int, latency: float) -> int:
    """The smallest pool that logs all clients in within TARGET seconds."""
    return math.ceil(clients * latency / TARGET)


def _effect(clients: int, size: int, latency: float) -> str:
    if reconnect_time(clients, size, latency) <= EJABBERD_TIMEOUT:
        return f"This is close to the {EJABBERD_TIMEOUT:.0f} s after which ejabberd refuses a login"
    refused = clients - math.floor(EJABBERD_TIMEOUT * logins_per_second(size, latency))
    return (
        f"ejabberd refuses {refused} of them, because they wait more than {EJABBERD_TIMEOUT:.0f} s"
    )


def _milliseconds(latency: float) -> str:
    return f"{latency * 1000:.0f}" if latency >= 0.01 else f"{latency * 1000:.2g}"


def _rounded_down(rate: float) -> str:
    """A pool that allows 9.97 logins per second does not allow 10."""
    return f"{math.floor(rate)}" if rate >= 10 else f"{math.floor(rate * 10) / 10:.1f}"


def _rounded_up(seconds: float) -> str:
    return f"{math.ceil(seconds * 10) / 10:.1f}"
