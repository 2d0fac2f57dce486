"""The options of ``extauth-http init``. The texts among them are the answers known so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class InitOptions:
    """See ``extauth-http init --help``. ``values`` are keys of the backend's table."""

    config: Path | None
    kind: str
    values: Mapping[str, str]
    hosts: tuple[str, ...]
    service_auth: str
    username: str
    header_name: str
    secret_file: Path | None
    log_file: Path | None
    run_as: str | None
    non_interactive: bool
    overwrite: bool
    skip_test: bool
