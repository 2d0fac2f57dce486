"""YAML as ejabberd reads it. Each value knows its file and line.

Rules, verified on ejabberd 23.01, 24.12 and 26.07:

- A boolean is one of BOOLEANS, quoted or not, in lower case only.
- A key may occur twice only if both values are mappings or both are lists. ejabberd merges them.
- Aliases (``*name``) and halves of surrogate pairs are errors.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MAX_DEPTH = 40
"""Levels of nesting. It protects the recursive functions below."""

MAX_DIGITS = 18
"""Digits of a number. No option accepts a longer one; it is kept as text."""

BOOLEANS = {
    **dict.fromkeys(("true", "on", "yes", "y"), True),
    **dict.fromkeys(("false", "off", "no", "n"), False),
}


class EjabberdYmlError(Exception):
    """ejabberd does not start with this file. ``where`` is FILE:LINE, as far as known."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.where = where


@dataclass(frozen=True, slots=True)
class Value:
    """A YAML value and its FILE:LINE. ``value`` is a mapping or a list of Values, or a scalar."""

    value: Any
    where: str

    @property
    def plain(self) -> Any:
        """The value as plain Python data, without any position."""
        if isinstance(self.value, dict):
            return {key: inner.plain for key, inner in self.value.items()}
        if isinstance(self.value, list):
            return [inner.plain for inner in self.value]
        return self.value

    @property
    def words(self) -> list[str]:
        """A list of words. ejabberd accepts a single word instead of a list of one."""
        plain = self.plain
        return [str(word) for word in (plain if isinstance(plain, list) else [plain])]

    @property
    def boolean(self) -> bool | None:
        """The value where ejabberd expects a boolean; None if it is not one."""
        return self.value if isinstance(self.value, bool) else BOOLEANS.get(str(self.value))

    def get(self, key: str) -> "Value | None":
        """The value of a key of a mapping; None if there is no such key or no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def items(self) -> list[tuple[str, "Value"]]:
        """The keys and values of a mapping; empty for anything else."""
        return list(self.value.items()) if isinstance(self.value, dict) else []


Options = dict[str, Value]


def read_options(file: Path) -> Options:
    """The options of one file, without what it includes; empty for an empty file.

    Raises EjabberdYmlError.
    """
    try:
        text = file.read_text(encoding="utf-8")
        _check_events(file, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise EjabberdYmlError(f"cannot be read: {error.strerror}", str(file)) from None
    except UnicodeDecodeError:
        raise EjabberdYmlError("is not UTF-8 text", str(file)) from None
    except ValueError:  # the file name contains a NUL
        raise EjabberdYmlError("cannot be read: invalid file name", str(file)) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise EjabberdYmlError(f"is not YAML: {error.problem}", f"{file}:{line}") from None
    except yaml.YAMLError:
        raise EjabberdYmlError("is not YAML", str(file)) from None
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise EjabberdYmlError("expected a mapping of options", f"{file}:1")
    options: Options = _value(file, node).value
    return options


def merge(name: str, first: Value, second: Value) -> Value:
    """The value of an option that occurs twice.

    Raises EjabberdYmlError unless both are mappings or both are lists. ``include_config_file`` is
    the exception: two single names become a list.
    """
    if isinstance(first.value, dict) and isinstance(second.value, dict):
        both = dict(first.value)
        for key, value in second.value.items():
            both[key] = merge(key, both[key], value) if key in both else value
        return Value(both, second.where)
    if isinstance(first.value, list) and isinstance(second.value, list):
        return Value(first.value + second.value, second.where)
    if name == "include_config_file" and not isinstance(first.value, dict):
        return Value([Value(word, first.where) for word in first.words + second.words], first.where)
    raise EjabberdYmlError(f"{name}: is set twice", second.where)


def _check_events(file: Path, text: str) -> None:
    """Refuses aliases and deep nesting before anything recursive runs."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        where = f"{file}:{event.start_mark.line + 1 if event.start_mark else 1}"
        if isinstance(event, yaml.AliasEvent):
            reason = f"*{event.anchor}: ejabberd has no YAML aliases, use define_macro"
            raise EjabberdYmlError(reason, where)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise EjabberdYmlError(f"more than {MAX_DEPTH} levels of nesting", where)


def _value(file: Path, node: yaml.Node) -> Value:
    where = f"{file}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        options: Options = {}
        for key, inner in node.value:
            name = str(key.value)
            value = Value(_value(file, inner).value, f"{file}:{key.start_mark.line + 1}")
            options[name] = merge(name, options[name], value) if name in options else value
        return Value(options, where)
    if isinstance(node, yaml.SequenceNode):
        return Value([_value(file, inner) for inner in node.value], where)
    if any("\ud800" <= each <= "\udfff" for each in str(node.value)):
        raise EjabberdYmlError("is not YAML: half of a surrogate pair", where)
    return Value(_scalar(node), where)


def _scalar(node: yaml.Node) -> Any:
    """A boolean, a whole number or text. ejabberd has no other scalars."""
    if node.tag == "tag:yaml.org,2002:bool" and node.value in BOOLEANS:
        return BOOLEANS[node.value]
    digits = node.value.lstrip("+-")
    if node.tag == "tag:yaml.org,2002:int" and digits.isdecimal() and len(digits) <= MAX_DIGITS:
        return int(node.value)
    return str(node.value)
