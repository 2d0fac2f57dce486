"""YAML as ejabberd takes it, each value with the file and line it stands in.

Seen on ejabberd 23.01, 24.12 and 26.07: a boolean is one of BOOLEANS, quoted or not, in lower case;
a key that stands twice is an error unless both are mappings or both lists, which are put together;
there are no aliases, and no half of a surrogate pair.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MAX_DEPTH = 40
MAX_DIGITS = 18
"""Of a number; with more it is none that any option takes."""

BOOLEANS = {
    **dict.fromkeys(("true", "on", "yes", "y"), True),
    **dict.fromkeys(("false", "off", "no", "n"), False),
}


class EjabberdYmlError(Exception):
    """ejabberd would not start with this; ``where`` is file and line as far as known."""

    def __init__(self, why: str, where: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.where = where


@dataclass(frozen=True, slots=True)
class Value:
    """A YAML value and where it stands: a mapping or a list of Values, or a scalar."""

    value: Any
    where: str

    @property
    def plain(self) -> Any:
        """The value alone, all the way down."""
        if isinstance(self.value, dict):
            return {key: inner.plain for key, inner in self.value.items()}
        if isinstance(self.value, list):
            return [inner.plain for inner in self.value]
        return self.value

    @property
    def words(self) -> list[str]:
        """A list of words, or one word alone, which ejabberd takes for a list of one."""
        plain = self.plain
        return [str(word) for word in (plain if isinstance(plain, list) else [plain])]

    @property
    def truth(self) -> bool | None:
        """What ejabberd takes it for where it wants a boolean; None for anything else."""
        return self.value if isinstance(self.value, bool) else BOOLEANS.get(str(self.value))

    def get(self, key: str) -> "Value | None":
        """A mapping's value, None where it is no mapping or has none."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def items(self) -> list[tuple[str, "Value"]]:
        return list(self.value.items()) if isinstance(self.value, dict) else []


Options = dict[str, Value]


def read(file: Path) -> Options:
    """The top level of a file; nothing for an empty one. Raises BadYml."""
    try:
        text = file.read_text(encoding="utf-8")
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            where = f"{file}:{event.start_mark.line + 1 if event.start_mark else 1}"
            if isinstance(event, yaml.AliasEvent):
                why = f"*{event.anchor}: ejabberd knows no YAML aliases, use define_macro"
                raise EjabberdYmlError(why, where)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise EjabberdYmlError("nested too deeply", where)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise EjabberdYmlError(f"cannot be read: {error.strerror}", str(file)) from None
    except UnicodeDecodeError:
        raise EjabberdYmlError("is not UTF-8 text", str(file)) from None
    except ValueError:  # a NUL in its name
        raise EjabberdYmlError("cannot be read: no file has such a name", str(file)) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise EjabberdYmlError(f"is not YAML: {error.problem}", f"{file}:{line}") from None
    except yaml.YAMLError:
        raise EjabberdYmlError("is not YAML", str(file)) from None
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise EjabberdYmlError("expected options, each with its value", f"{file}:1")
    value: Options = _value(file, node).value
    return value


def _value(file: Path, node: yaml.Node) -> Value:
    where = f"{file}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.MappingNode):
        made: Options = {}
        for key, inner in node.value:
            name = str(key.value)
            at = f"{file}:{key.start_mark.line + 1}"
            value = Value(_value(file, inner).value, at)
            made[name] = together(name, made[name], value) if name in made else value
        return Value(made, where)
    if isinstance(node, yaml.SequenceNode):
        return Value([_value(file, inner) for inner in node.value], where)
    if any("\ud800" <= each <= "\udfff" for each in str(node.value)):
        raise EjabberdYmlError("is not YAML: half of a surrogate pair", where)
    return Value(_scalar(node), where)


def _scalar(node: yaml.Node) -> Any:
    """Booleans and whole numbers; everything else is text, as for ejabberd."""
    if node.tag == "tag:yaml.org,2002:bool" and node.value in BOOLEANS:
        return BOOLEANS[node.value]
    digits = node.value.lstrip("+-")
    if node.tag == "tag:yaml.org,2002:int" and digits.isdecimal() and len(digits) <= MAX_DIGITS:
        return int(node.value)
    return str(node.value)


def together(name: str, first: Value, second: Value) -> Value:
    """An option that stands twice. Raises BadYml where ejabberd takes it once only."""
    if isinstance(first.value, dict) and isinstance(second.value, dict):
        both = dict(first.value)
        for key, value in second.value.items():
            both[key] = together(key, both[key], value) if key in both else value
        return Value(both, second.where)
    if isinstance(first.value, list) and isinstance(second.value, list):
        return Value(first.value + second.value, second.where)
    if name == "include_config_file" and not isinstance(first.value, dict):
        return Value([Value(word, first.where) for word in first.words + second.words], first.where)
    raise EjabberdYmlError(
        f"{name}: stands twice, and ejabberd does not start with that", second.where
    )
