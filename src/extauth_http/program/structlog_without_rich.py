"""Imports structlog without rich, which it would use for colored tracebacks.

The log has no such tracebacks, and rich takes about a seventh of the time from the start to the
first reply. Commands that need rich import it themselves.
"""

import sys

_HIDE_RICH = "rich" not in sys.modules
if _HIDE_RICH:
    # With None, Python raises ModuleNotFoundError for "import rich". structlog handles that.
    sys.modules["rich"] = None  # type: ignore[assignment]
try:
    import structlog
finally:
    if _HIDE_RICH:
        del sys.modules["rich"]

__all__ = ["structlog"]
