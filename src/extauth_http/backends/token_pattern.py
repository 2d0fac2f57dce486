"""Patterns that name the owner of a token, as in ``username_match``."""

import re


def fill_pattern(pattern: str, user: str, host: str) -> str:
    """Replaces ``{user}`` and ``{host}`` in a pattern.

    One pass over the pattern: a user that is itself called ``{host}`` is not replaced again.
    """
    values = {"{user}": user, "{host}": host}
    return re.sub(r"\{user\}|\{host\}", lambda found: values[found[0]], pattern)
