"""Settings of tables that a test writes, as the program reads them from a file."""

from typing import Any

from extauth_http.backends.registry import backend_of_kind
from extauth_http.config.settings import Settings


def settings_of(**tables: Any) -> Settings:
    """The settings with these tables and keys. Raises ValidationError."""
    return Settings.model_validate(tables, context=backend_of_kind)
