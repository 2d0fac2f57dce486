"""Whether the pool answers in time when clients reconnect, and which size would be sufficient."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

from extauth_http import ejabberd_pool
from extauth_http.check.ejabberd_yml.host_options import hosts_of_pool, location, pool_size
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding, good, warning
from extauth_http.ejabberd_pool import MAX_RATIO, MAX_SIZE, Load
from extauth_http.protocol.limits import EJABBERD_TIMEOUT


@dataclass(frozen=True, slots=True)
class Reconnect:
    """``clients`` that log in at random times within ``seconds``."""

    clients: int
    seconds: float


def findings(
    yml: EjabberdYml, host: str, latency: float, reconnect: Reconnect | None
) -> Iterator[Finding]:
    """``latency`` is the measured time of one login in seconds."""
    configured, option = pool_size(yml, host)
    # Erlang counts all processors of the machine, not only those that it may use.
    size = configured or os.cpu_count() or 1
    source = "" if configured else ", one per CPU core"
    text = (
        f"extauth_pool_size is {size}{source}: at {_milliseconds(latency)} ms per login this "
        f"allows at most {_rounded_down(size / latency)} logins per second"
    )
    sharing = hosts_of_pool(yml, host)
    if len(sharing) > 1:
        text += f" at {', '.join(sharing)} together"
    if reconnect is None:
        yield good("pool", text, host=host, **location(option))
        return
    steps = ejabberd_pool.STEPS_WITH_SQL if uses_sql(yml, host) else ejabberd_pool.STEPS
    load = Load(reconnect.clients, reconnect.seconds, latency, steps)
    text += (
        f". {reconnect.clients} clients that reconnect within {reconnect.seconds:g} s are "
        f"{load.rate:.3g} logins per second"
    )
    if ejabberd_pool.is_overloaded(load, size):
        text += f", more than the pool can answer: {_overload(load, size)}"
    else:
        times = ejabberd_pool.answer_times(load, size)
        text += (
            f". Half of the answers take up to {_milliseconds(times.p50)} ms, and 99% up to "
            f"{_milliseconds(times.p99)} ms"
        )
        if ejabberd_pool.is_sufficient(load, size):
            yield good("pool", text, host=host, **location(option))
            return
        text += ", because ejabberd does not choose a member that is free"
    enough = ejabberd_pool.sufficient_size(load)
    yield warning(
        "pool-too-small",
        f"{text}. {_advice(load, enough)}",
        line=f"extauth_pool_size: {enough or MAX_SIZE}",
        host=host,
        **location(option),
    )


def uses_sql(yml: EjabberdYml, host: str) -> bool:
    """Whether ejabberd's modules store their data in SQL."""
    option = yml.option(host, "default_db")
    return bool(option and option.value.plain == "sql") or any(
        str(db_type.plain) == "sql"
        for module in yml.modules(host).values()
        if (db_type := module.value.get("db_type"))
    )


def _overload(load: Load, size: int) -> str:
    last = ejabberd_pool.last_wait(load, size)
    if not (refused := ejabberd_pool.refused(load, size)):
        return f"the last of them waits {_rounded_up(last)} s"
    return (
        f"ejabberd refuses {refused} of them or more, because they wait more than "
        f"{EJABBERD_TIMEOUT:.0f} s"
    )


def _advice(load: Load, enough: int | None) -> str:
    target = _milliseconds(MAX_RATIO * load.service_seconds)
    if enough:
        return f"With a pool of {enough}, 99% take up to {target} ms"
    return (
        f"Even with a pool of {MAX_SIZE}, more than 1% take longer than {target} ms: make the "
        "service faster, or spread the clients over more nodes of ejabberd"
    )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}" if seconds >= 0.01 else f"{seconds * 1000:.2g}"


def _rounded_down(rate: float) -> str:
    """A pool that allows 9.97 logins per second does not allow 10."""
    return f"{math.floor(rate)}" if rate >= 10 else f"{math.floor(rate * 10) / 10:.1f}"


def _rounded_up(seconds: float) -> str:
    return f"{math.ceil(seconds * 10) / 10:.1f}"
