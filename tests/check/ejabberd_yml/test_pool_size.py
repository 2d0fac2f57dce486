"""The arithmetic: N members of a pool, each busy for L seconds with a login."""

import os
import re
from pathlib import Path

import pytest
import yaml

from extauth_http.check.ejabberd_yml import pool_size
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Finding


def found(folder: Path, size: int | None, latency: float, clients: int | None) -> Finding:
    options: dict[str, object] = {"hosts": ["a.org"]}
    if size:
        options["extauth_pool_size"] = size
    file = folder / "ejabberd.yml"
    file.write_text(yaml.safe_dump(options))
    (only,) = pool_size.findings(EjabberdYml(file), "a.org", latency, clients)
    return only


RATES = [
    # size, seconds per login, part of the text
    (8, 0.1, "at 100 ms per login this allows 80 logins per second"),
    (1, 0.0004, "at 0.4 ms per login this allows 2500 logins per second"),
    (1, 0.1003, "at 100 ms per login this allows 9.9 logins per second"),
    (3, 0.301, "at 301 ms per login this allows 9.9 logins per second"),
    (1, 8.0, "at 8000 ms per login this allows 0.1 logins per second"),
]

STORMS = [
    # size, seconds per login, clients, seconds until all are logged in, refused, sufficient size
    (2, 0.1, 100, "5.0", None, None),
    (2, 0.1, 300, "15.0", None, None),
    (2, 0.1, 301, "15.1", None, 3),
    (2, 0.1, 600, "30.0", None, 4),
    (2, 0.1, 601, "30.1", 1, 5),
    (8, 0.25, 5000, "156.3", 4040, 84),
    (1, 0.05, 10_000, "500.0", 9400, 34),
]


@pytest.mark.parametrize(("size", "latency", "clients", "seconds", "refused", "enough"), STORMS)
def test_a_storm_lasts_clients_times_latency_over_size(
    tmp_path: Path,
    size: int,
    latency: float,
    clients: int,
    seconds: str,
    refused: int | None,
    enough: int | None,
) -> None:
    finding = found(tmp_path, size, latency, clients)
    assert (
        f"{clients} clients that reconnect at once are logged in after {seconds} s" in finding.found
    )
    assert finding.id == ("pool-too-small" if enough else "pool")
    assert finding.line == (f"extauth_pool_size: {enough}" if enough else "")
    refusals = re.search(
        r"ejabberd refuses (\d+) of them, because they wait more than 30 s", finding.found
    )
    assert (int(refusals[1]) if refusals else None) == refused
    if enough:
        assert found(tmp_path, enough, latency, clients).id == "pool"
        assert found(tmp_path, enough - 1, latency, clients).id == "pool-too-small"


@pytest.mark.parametrize(("size", "latency", "text"), RATES)
def test_the_rate_is_size_over_latency_and_never_rounded_up(
    tmp_path: Path, size: int, latency: float, text: str
) -> None:
    assert text in found(tmp_path, size, latency, None).found


def test_without_a_size_there_is_a_member_for_each_core(tmp_path: Path) -> None:
    text = found(tmp_path, None, 0.1, None).found
    assert text.startswith(f"extauth_pool_size is {os.cpu_count()}, one per CPU core: ")
