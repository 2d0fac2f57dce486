"""The units for systemd."""

from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "examples" / "systemd"


@pytest.mark.parametrize("name", ["extauth-http", "extauth-http-signals"])
def test_systemd_never_gives_up_on_a_service_that_ends_often(name: str) -> None:
    """By default it does after five starts in ten seconds, and closes the socket too."""
    text = (UNITS / f"{name}.service").read_text()
    unit, _, service = text.partition("[Service]")
    assert "\nStartLimitIntervalSec=0\n" in unit
    assert "\nRestart=always\n" in service
