"""``include_config_file``: the options of ejabberd.yml and of the files that it includes.

Rules, verified on ejabberd 23.01, 24.12 and 26.07: options of both files are merged as if they
were in one. ejabberd looks for a relative name in its working directory, whichever file contains
it.
"""

import os
from pathlib import Path
from typing import Any

from extauth_http.check.ejabberd_yml.yaml_values import (
    EjabberdYmlError,
    Options,
    Value,
    merge,
    read_options,
)

MAX_DEPTH = 20
"""Files that include one another."""

WORKING_DIRECTORY = Path("/var/lib/ejabberd")
"""The directory in which ``ejabberdctl`` starts ejabberd: its spool directory."""


def read_with_includes(file: Path) -> tuple[Options, list[Value]]:
    """All options, and each ``include_config_file`` that contains a relative name.

    Raises EjabberdYmlError.
    """
    relative: list[Value] = []
    return _include(file, read_options(file), 0, relative), relative


def with_absolute_paths(file: Path, include: Value) -> Any:
    """The plain value of an ``include_config_file``, each name as an absolute path. ``file`` is
    the ejabberd.yml."""
    if isinstance(include.value, dict):
        return {str(_path(file, name)): rules for name, rules in include.plain.items()}
    return [str(_path(file, name)) for name in include.words]


def _include(file: Path, options: Options, depth: int, relative: list[Value]) -> Options:
    include = options.pop("include_config_file", None)
    if include is None:
        return options
    if depth > MAX_DEPTH:
        raise EjabberdYmlError("include_config_file: the files include one another", include.where)
    names = _names(include)
    if not all(Path(name).is_absolute() for name, _ in names):
        relative.append(include)
    for name, rules in names:
        path = _path(file, name)
        try:
            inner = _include(file, read_options(path), depth + 1, relative)
        except EjabberdYmlError as error:
            where = error.where if error.where.startswith(f"{path}:") else include.where
            raise EjabberdYmlError(f"{path}: {error.reason}", where) from None
        for key, value in _allowed(inner, rules).items():
            options[key] = merge(key, options[key], value) if key in options else value
    return options


def _allowed(options: Options, rules: Value) -> Options:
    only, without = rules.get("allow_only"), rules.get("disallow")
    return {
        key: value
        for key, value in options.items()
        if not (only and key not in only.words) and not (without and key in without.words)
    }


def _names(include: Value) -> list[tuple[str, Value]]:
    """The names with their rules: one name, a list of names, or a mapping of names to rules."""
    if isinstance(include.value, dict):
        for rules in include.value.values():
            for rule, options in rules.items():
                if not isinstance(options.value, list):
                    reason = f"include_config_file: {rule}: expected a list"
                    raise EjabberdYmlError(reason, options.where)
        return include.items()
    if isinstance(include.value, list):
        for each in include.value:
            if isinstance(each.value, dict):
                reason = "include_config_file: use a mapping, not a list, for names with rules"
                raise EjabberdYmlError(reason, include.where)
    return [(name, Value({}, include.where)) for name in include.words]


def _path(file: Path, name: str) -> Path:
    """A relative name that is not in the working directory is probably meant to be beside
    ejabberd.yml; it is read from there."""
    in_working_directory = WORKING_DIRECTORY / name
    beside = file.absolute().parent / name
    # Path.exists raises PermissionError: only ejabberd may enter its working directory.
    return in_working_directory if os.path.exists(in_working_directory) else beside  # noqa: PTH110
