"""ejabberd.yml as ejabberd reads it, each value with the file and line it stands in.

The rules, as seen on ejabberd 23.01: an included file is relative to the one that includes it; an
option may stand in one file only, but mappings and lists are put together; a macro counts
wherever a value is, not for a key; ``host_config`` takes an option's place for that host and
``append_host_config`` adds to a list or mapping.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

MAX_DEPTH = 20


class BadYml(Exception):  # noqa: N818 - it is what the file is
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

    def get(self, key: str) -> "Value | None":
        """A mapping's value, None where it is no mapping or has none."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def items(self) -> list[tuple[str, "Value"]]:
        return list(self.value.items()) if isinstance(self.value, dict) else []


Options = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Option:
    """An option as one host has it, and where it belongs: at the top or in the host's own part."""

    value: Value
    place: tuple[str, ...]


class EjabberdYml:
    """One configuration. Raises BadYml for what ejabberd would not start with."""

    def __init__(self, file: Path) -> None:
        self.file = file
        top = _included(file, _read(file), 0)
        macros = top.pop("define_macro", None)
        self._macros = dict(macros.items()) if macros else {}
        keywords = top.pop("define_keyword", None)
        self._macros |= {f"@{name}@": value for name, value in keywords.items()} if keywords else {}
        self.top: Options = {key: self._resolved(value) for key, value in top.items()}
        hosts = self.top.get("hosts")
        if hosts is None or not hosts.words:
            raise BadYml("hosts: expected at least one virtual host", f"{file}:1")
        self.hosts = [host.lower() for host in hosts.words]
        for kind in ("host_config", "append_host_config"):
            for host, own in self._per_host(kind).items():
                if host.lower() not in self.hosts:
                    raise BadYml(f"{kind}: {host} is not in hosts", own.where)

    def option(self, host: str, name: str) -> Option | None:
        """What a host has for an option; None where it is left to its default."""
        found: Option | None = None
        if name in self.top:
            found = Option(self.top[name], ())
        own = self._own(host, "host_config").get(name)
        if own:
            found = Option(own, ("host_config", host))
        added = self._own(host, "append_host_config").get(name)
        if added is None:
            return found
        place = ("append_host_config", host)
        return Option(_appended(name, found.value, added) if found else added, place)

    def modules(self, host: str) -> Options:
        found = self.option(host, "modules")
        return dict(found.value.items()) if found else {}

    def listeners(self) -> list[tuple[int, Value]]:
        """The listeners, with their place in the list."""
        listen = self.top.get("listen")
        return list(enumerate(listen.value)) if listen and isinstance(listen.value, list) else []

    def every(self, name: str) -> Iterator[tuple[tuple[str, ...], Value]]:
        """Each place where an option stands, at the top and in the hosts' own parts."""
        if name in self.top:
            yield (), self.top[name]
        for kind in ("host_config", "append_host_config"):
            for host, own in self._per_host(kind).items():
                value = own.get(name)
                if value:
                    yield (kind, host), value

    def _per_host(self, kind: str) -> Options:
        found = self.top.get(kind)
        return dict(found.items()) if found else {}

    def _own(self, host: str, kind: str) -> Options:
        for name, own in self._per_host(kind).items():
            if name.lower() == host:
                return dict(own.items())
        return {}

    def _resolved(self, value: Value, depth: int = 0) -> Value:
        if depth > MAX_DEPTH:
            raise BadYml("a macro that stands for itself", value.where)
        inner = value.value
        if isinstance(inner, dict):
            made: Any = {key: self._resolved(each, depth) for key, each in inner.items()}
        elif isinstance(inner, list):
            made = [self._resolved(each, depth) for each in inner]
        elif isinstance(inner, str) and inner in self._macros:
            return Value(self._resolved(self._macros[inner], depth + 1).value, value.where)
        elif isinstance(inner, str) and "@" in inner:
            made = self._filled(inner)
        else:
            return value
        return Value(made, value.where)

    def _filled(self, text: str) -> str:
        for name, value in self._macros.items():
            if name.startswith("@") and not isinstance(value.value, dict | list):
                text = text.replace(name, str(value.value))
        return text


def _read(file: Path) -> Options:
    try:
        node = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise BadYml(f"cannot be read: {error.strerror}", str(file)) from None
    except UnicodeDecodeError:
        raise BadYml("is not UTF-8 text", str(file)) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadYml(f"is not YAML: {error.problem}", f"{file}:{line}") from None
    except (yaml.YAMLError, RecursionError):
        raise BadYml("is not YAML", str(file)) from None
    if not isinstance(node, yaml.MappingNode):
        raise BadYml("expected options, each with its value", f"{file}:1")
    value: Options = _value(file, node, 0).value
    return value


def _value(file: Path, node: yaml.Node, depth: int) -> Value:
    where = f"{file}:{node.start_mark.line + 1}"
    if depth > MAX_DEPTH * 2:
        raise BadYml("nested too deeply", where)
    if isinstance(node, yaml.MappingNode):
        made: Options = {}
        for key, inner in node.value:
            name = str(key.value)
            value = _value(file, inner, depth + 1)
            at = f"{file}:{key.start_mark.line + 1}"
            if name in made:
                made[name] = _together(name, made[name], value)
            else:
                made[name] = Value(value.value, at)
        return Value(made, where)
    if isinstance(node, yaml.SequenceNode):
        return Value([_value(file, inner, depth + 1) for inner in node.value], where)
    return Value(_scalar(node), where)


def _scalar(node: yaml.Node) -> Any:
    """Booleans and whole numbers; everything else is text, as for ejabberd."""
    if node.tag == "tag:yaml.org,2002:bool":
        return node.value.lower() in ("true", "yes", "on")
    if node.tag == "tag:yaml.org,2002:int" and node.value.lstrip("+-").isdecimal():
        return int(node.value)
    if node.tag == "tag:yaml.org,2002:null":
        return None
    return str(node.value)


def _included(file: Path, options: Options, depth: int) -> Options:
    """The options of a file together with those of the files that it includes."""
    if depth > MAX_DEPTH:
        raise BadYml("include_config_file: files that include each other", str(file))
    named = options.pop("include_config_file", None)
    if named is None:
        return options
    for name, rules in _files(named):
        path = file.parent / name
        try:
            inner = _included(path, _read(path), depth + 1)
        except BadYml as bad:
            where = bad.where if bad.where.startswith(f"{path}:") else named.where
            raise BadYml(f"{path}: {bad.why}", where) from None
        only, without = rules.get("allow_only"), rules.get("disallow")
        for key, value in inner.items():
            if (only and key not in only.words) or (without and key in without.words):
                continue
            options[key] = _together(key, options[key], value) if key in options else value
    return options


def _files(named: Value) -> list[tuple[str, Value]]:
    """The files of an ``include_config_file``: one name, a list, or names with their rules."""
    nothing = Value({}, named.where)
    if isinstance(named.value, dict):
        return list(named.items())
    listed = named.value if isinstance(named.value, list) else [named]
    found: list[tuple[str, Value]] = []
    for each in listed:
        found += each.items() if isinstance(each.value, dict) else [(str(each.value), nothing)]
    return found


def _appended(name: str, found: Value, added: Value) -> Value:
    """What ``append_host_config`` makes of an option; one word is a list of one."""
    if isinstance(found.value, dict | bool | int):
        return _together(name, found, added)
    lists = [each.value if isinstance(each.value, list) else [each] for each in (found, added)]
    return Value(lists[0] + lists[1], added.where)


def _together(name: str, first: Value, second: Value) -> Value:
    if isinstance(first.value, dict) and isinstance(second.value, dict):
        both = dict(first.value)
        for key, value in second.value.items():
            both[key] = _together(key, both[key], value) if key in both else value
        return Value(both, second.where)
    if isinstance(first.value, list) and isinstance(second.value, list):
        return Value(first.value + second.value, second.where)
    raise BadYml(f"{name}: stands twice, and ejabberd does not start with that", second.where)
