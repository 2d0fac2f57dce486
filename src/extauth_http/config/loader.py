"""A TOML file and the environment → one table of the configuration.

Each key can be overridden in the environment: ``EXTAUTH_HTTP_BACKEND__URL`` is ``url`` in
``[backend]``. Error texts name the key and never hold a value, because any value may be a secret.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

PREFIX = "EXTAUTH_HTTP_"
CONFIG_VARIABLE = f"{PREFIX}CONFIG"
DEFAULT_FILE = Path("/etc/ejabberd/extauth-http.toml")

M = TypeVar("M", bound=BaseModel)


class ConfigError(Exception):
    """A configuration that cannot be used. ``problems`` are sentences, without any value."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def config_file(argument: Path | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file to read: the argument, else ``EXTAUTH_HTTP_CONFIG``, else the default path.

    None if there is no file at the default path and the environment holds a backend.
    """
    if argument:
        return argument
    if environ.get(CONFIG_VARIABLE):
        return Path(environ[CONFIG_VARIABLE])
    from_environment = any(name.upper().startswith(f"{PREFIX}BACKEND__") for name in environ)
    # Path.exists raises PermissionError if the folder is closed to this account.
    if from_environment and not os.path.exists(DEFAULT_FILE):  # noqa: PTH110
        return None
    return DEFAULT_FILE


def read_toml(file: Path | None) -> dict[str, Any]:
    """The tables of a file; empty if ``file`` is None. Raises ConfigError."""
    if file is None:
        return {}
    try:
        with file.open("rb") as opened:
            return tomllib.load(opened)
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror}"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{file}: not TOML: {error}"]) from None
    except (RecursionError, ValueError):
        why = "nested too deeply, or a number with too many digits"
        raise ConfigError([f"{file}: not TOML that can be read: {why}"]) from None


def with_environment(model: type[BaseModel], data: dict[str, Any]) -> dict[str, Any]:
    """The tables with the values that the environment overrides. Raises ConfigError."""
    if not any(name.upper().startswith(PREFIX) for name in os.environ):
        return data
    # Imported only here, because it is a twentieth of the time of a start.
    from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

    # The source reads nothing of the class but its fields.
    fields = cast(type[BaseSettings], model)
    source = EnvSettingsSource(fields, env_prefix=PREFIX, env_nested_delimiter="__")
    try:
        overrides: dict[str, Any] = source()
    except RecursionError:
        raise ConfigError(["environment: a table in JSON is nested too deeply"]) from None
    except SettingsError as error:
        # The text names the field and never the value: error parsing value for field "backend" …
        named = re.search(r'field "(\w+)"', str(error))
        variable = PREFIX + (named[1].upper() if named else "")
        problem = f"environment: {variable}…: expected JSON for a whole table"
        raise ConfigError([problem]) from None
    return _merged(data, overrides)


def validate(model: type[M], file: Path | None, data: dict[str, Any], context: Any = None) -> M:
    """The model of some tables. Raises ConfigError; ``file`` is named in its sentences."""
    try:
        return model.model_validate(data, context=context)
    except ValidationError as error:
        raise ConfigError(_sentences(file, error)) from None
    except Exception as error:  # noqa: BLE001 - the settings of a plugin may raise anything
        problem = f"{file}: a backend's settings failed with {type(error).__name__}"
        raise ConfigError([problem]) from None


def unknown_variables(model: type[BaseModel]) -> list[str]:
    """A sentence for each variable of ours in the environment that names no key."""
    known = {PREFIX + name.upper() for name in model.model_fields} | {CONFIG_VARIABLE}
    return [
        f"environment variable {name}: unknown key"
        for name in sorted(os.environ)
        if name.upper().startswith(PREFIX) and name.upper().split("__")[0] not in known
    ]


def _merged(below: dict[Any, Any], above: dict[Any, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        nested = merged.get(key)
        if isinstance(nested, dict) and isinstance(value, dict):
            merged[key] = _merged(nested, value)
        else:
            merged[key] = value
    return merged


def _sentences(file: Path | None, error: ValidationError) -> list[str]:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [_sentence(file, problem["loc"], problem["msg"]) for problem in found]


def _sentence(file: Path | None, place: tuple[int | str, ...], message: str) -> str:
    for theirs, ours in _WORDING.items():
        message = re.sub(theirs, ours, message)
    if message == "unknown key" and len(place) > 1 and place[-1] in ABOVE_TABLES:
        message += "; write it above the first table"
    variable = PREFIX + "__".join(str(part).upper() for part in place)
    if place and variable in {name.upper() for name in os.environ}:
        return f"environment variable {variable}: {message}"
    key = ".".join(str(part) if "." not in str(part) else f'"{part}"' for part in place)
    return ": ".join(part for part in (str(file or "environment"), key, message) if part)


ABOVE_TABLES = ("deadline", "dialect")
"""Keys of no table. In TOML, a key below ``[backend]`` belongs to ``backend``."""

_WORDING = {
    "^Value error, ": "",
    "^Assertion failed, ": "",
    "^Input should be": "expected",
    "a valid dictionary( or instance of [A-Za-z]+)?$": "a table",
    "a valid (tuple|list)$": "a list",
    "a valid boolean, .*": "true or false",
    "a valid number, .*": "a number",
    "^Input is not a valid path .*": "expected a path",
    "Extra inputs are not permitted": "unknown key",
    "Field required": "required key is missing",
}
"""Patterns in messages of pydantic, and their replacements. No message holds a value."""
