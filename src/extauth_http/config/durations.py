"""Durations as an operator writes them: ``10s``, ``1.5h``, ``2d``."""

import math
import re

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Seconds of each unit."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw]?)", re.ASCII)


def parse_duration(text: str, *, needs_unit: bool = True) -> float:
    """Seconds of a duration; a number without a unit is seconds unless ``needs_unit``.

    Raises ValueError for anything else, also for a sign, spaces, several parts (``1h30m``) and a
    number that a float cannot hold.
    """
    found = _DURATION.fullmatch(text)
    if found and (found[2] or not needs_unit):
        seconds = float(found[1]) * UNITS[found[2] or "s"]
        if math.isfinite(seconds):
            return seconds
    raise ValueError(f"expected a duration such as 10s, 30m, 1.5h or 2d, not {text!r}")
