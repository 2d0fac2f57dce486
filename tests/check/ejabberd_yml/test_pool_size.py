"""What the report says about a pool when clients reconnect."""

import os
import re
from pathlib import Path

import pytest
import yaml

from extauth_http.check.ejabberd_yml import pool_size
from extauth_http.check.ejabberd_yml.pool_size import Reconnect
from extauth_http.check.finding import Finding
from extauth_http.ejabberd_pool import Load, sufficient_size
from tests.check.ejabberd_yml.files import parse


def found(
    folder: Path,
    size: int | None,
    latency: float,
    reconnect: Reconnect | None,
    **options: object,
) -> Finding:
    options = {"hosts": ["a.org"], **options}
    if size:
        options["extauth_pool_size"] = size
    (only,) = pool_size.findings(
        parse(folder, yaml.safe_dump(options)), "a.org", latency, reconnect
    )
    return only


RATES = [
    # size, seconds per login, part of the text
    (8, 0.1, "at 100 ms per login this allows at most 80 logins per second"),
    (1, 0.0004, "at 0.4 ms per login this allows at most 2500 logins per second"),
    (1, 0.1003, "at 100 ms per login this allows at most 9.9 logins per second"),
    (3, 0.301, "at 301 ms per login this allows at most 9.9 logins per second"),
    (1, 8.0, "at 8000 ms per login this allows at most 0.1 logins per second"),
]


@pytest.mark.parametrize(("size", "latency", "text"), RATES)
def test_the_rate_is_size_over_latency_and_never_rounded_up(
    tmp_path: Path, size: int, latency: float, text: str
) -> None:
    finding = found(tmp_path, size, latency, None)
    assert text in finding.found
    assert finding.id == "pool"


RECONNECTS = [
    # clients, seconds, seconds per login, pool
    (12_000, 60, 0.2, 64),
    (5000, 60, 0.1, 16),
    (100, 10, 0.05, 1),
]


@pytest.mark.parametrize(("clients", "seconds", "latency", "size"), RECONNECTS)
def test_a_pool_is_too_small_until_99_percent_wait_for_less_than_a_fifth_of_a_login(
    tmp_path: Path, clients: int, seconds: float, latency: float, size: int
) -> None:
    reconnect = Reconnect(clients, seconds)
    enough = sufficient_size(Load(clients, seconds, latency))
    assert enough
    finding = found(tmp_path, size, latency, reconnect)
    assert finding.id == "pool-too-small"
    assert finding.line == f"extauth_pool_size: {enough}"
    assert f"With a pool of {enough}, 99% take up to {latency * 1200:.0f} ms" in finding.found
    assert "does not choose a member that is free" in finding.found
    assert _slowest(finding) > 1.2 * latency * 1000
    assert found(tmp_path, enough - 1, latency, reconnect).id == "pool-too-small"
    good = found(tmp_path, enough, latency, reconnect)
    assert (good.id, good.line) == ("pool", "")
    assert _slowest(good) <= 1.2 * latency * 1000


def _slowest(finding: Finding) -> int:
    """The milliseconds of the 99th percentile in a report."""
    times = re.search(
        r"Half of the answers take up to (\d+) ms, and 99% up to (\d+) ms", finding.found
    )
    assert times, finding.found
    return int(times[2])


OVERLOADS = [
    # clients, seconds, part of the text
    (600, 10, "60 logins per second, more than the pool can answer: the last of them waits 5.0 s"),
    (3000, 10, "ejabberd refuses 1400 of them or more, because they wait more than 30 s"),
]


@pytest.mark.parametrize(("clients", "seconds", "text"), OVERLOADS)
def test_an_overloaded_pool_delays_or_refuses_logins(
    tmp_path: Path, clients: int, seconds: float, text: str
) -> None:
    finding = found(tmp_path, 4, 0.1, Reconnect(clients, seconds))
    assert finding.id == "pool-too-small"
    assert text in finding.found


def test_no_pool_is_large_enough_for_a_service_that_is_too_slow(tmp_path: Path) -> None:
    finding = found(tmp_path, 256, 1.0, Reconnect(60_000, 60))
    assert finding.line == "extauth_pool_size: 1024"
    assert "Even with a pool of 1024, more than 1% take longer than 1200 ms" in finding.found


SQL = [
    ({"default_db": "sql"}, True),
    ({"modules": {"mod_roster": {"db_type": "sql"}}}, True),
    ({"default_db": "mnesia", "modules": {"mod_roster": {}}}, False),
]


@pytest.mark.parametrize(("options", "larger"), SQL)
def test_queries_of_sql_need_a_larger_pool(
    tmp_path: Path, options: dict[str, object], larger: bool
) -> None:
    reconnect = Reconnect(5000, 60)
    usual = found(tmp_path, 8, 0.1, reconnect).line
    assert (found(tmp_path, 8, 0.1, reconnect, **options).line != usual) is larger


def test_without_a_size_there_is_a_member_for_each_core(tmp_path: Path) -> None:
    text = found(tmp_path, None, 0.1, None).found
    assert text.startswith(f"extauth_pool_size is {os.cpu_count()}, one per CPU core: ")
