"""ejabberd.yml as ejabberd reads it, with its included files, macros and virtual hosts.

The rules, as seen on ejabberd 23.01, 24.12 and 26.07:

- An option may stand once only; but mappings and lists that stand twice are put together, within
  a file as well as with those of an included one. A relative name of an included file is looked for
  in ejabberd's working directory, whichever file it stands in.
- ``hosts`` is a list, in which no name stands twice; names are compared as XMPP does, also where
  ``host_config`` has two spellings of one.
- ``host_config`` takes an option's place for that host, the whole of ``modules`` too.
  ``append_host_config`` adds to what the host has: lists and mappings are joined, texts are put
  one behind the other, and with a boolean or a number ejabberd does not start.
- A macro or keyword counts wherever a value is, not for a key or the name of an included file;
  within a longer text it is ``@NAME@`` (not yet on 23.01). A host's own ``define_keyword`` changes
  nothing about ``extauth_program``.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError as BadYml
from extauth_http.check.ejabberd_yml.yaml_values import Options, read, together
from extauth_http.check.ejabberd_yml.yaml_values import Value as Value
from extauth_http.protocol.preparation import nodeprep

MAX_DEPTH = 20
MAX_HOST_BYTES = 1023
WORKING_DIRECTORY = Path("/var/lib/ejabberd")
"""Where ``ejabberdctl`` starts ejabberd: its spool directory."""

WORDS = ("auth_method", "disable_sasl_mechanisms")
"""Lists for which one word stands for a list of one."""

FLAGS = ("auth_use_cache", "use_cache")
LISTENER_FLAGS = ("starttls", "starttls_required", "tls", "tls_verify")
POOL_SIZES = ("extauth_pool_size", "extauth_instances")
MAPPINGS = ("define_macro", "host_config", "append_host_config", "modules")


@dataclass(frozen=True, slots=True)
class Option:
    """An option as one host has it, and where it belongs: at the top or in the host's own part."""

    value: Value
    place: tuple[str, ...]

    @property
    def is_appended(self) -> bool:
        return self.place[:1] == ("append_host_config",)


class EjabberdYml:
    """One configuration. Raises BadYml for what ejabberd would not start with.

    ``relative`` are those ``include_config_file`` that have a file without its whole path.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.relative: list[Value] = []
        top = self._included(read(file), 0)
        for name in MAPPINGS:
            if name in top and not isinstance(top[name].value, dict):
                raise BadYml(f"{name}: expected names, each with its value", top[name].where)
        self._macros: Options = {}
        for name in ("define_macro", "define_keyword"):
            self._macros |= dict(top.pop(name, Value({}, "")).items())
        self.top: Options = {key: self._resolved(value) for key, value in top.items()}
        self.hosts = _hosts(self.top.get("hosts", Value([], f"{file}:1")))
        for kind in ("host_config", "append_host_config"):
            for host, own in self._per_host(kind).items():
                if host not in self.hosts:
                    raise BadYml(f"{kind}: {host} is not in hosts", own.where)
                if not isinstance(own.value, dict):
                    raise BadYml(f"{kind}: {host}: expected options", own.where)
        self._check_values()

    def option(self, host: str, name: str) -> Option | None:
        """What a host has for an option; None where it is left to its default."""
        parts = self.parts(host, name)
        if len(parts) > 1:
            return Option(_appended(name, parts[0].value, parts[1].value), parts[1].place)
        return parts[0] if parts else None

    def parts(self, host: str, name: str) -> list[Option]:
        """What a host's option is put together of: what it has, and what is appended to that."""
        parts = [Option(self.top[name], ())] if name in self.top else []
        own = self._own(host, "host_config").get(name)
        if own:
            parts = [Option(own, ("host_config", host))]
        added = self._own(host, "append_host_config").get(name)
        return [*parts, Option(added, ("append_host_config", host))] if added else parts

    def modules(self, host: str) -> dict[str, Option]:
        """A host's modules, each with the place that it is named in."""
        return {
            name: Option(value, (*part.place, "modules"))
            for part in self.parts(host, "modules")
            for name, value in part.value.items()
        }

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

    def absolute(self, named: Value) -> Any:
        """An ``include_config_file`` with the whole path of each file."""
        if isinstance(named.value, dict):
            return {str(self._path(name)): rules for name, rules in named.plain.items()}
        return [str(self._path(name)) for name in named.words]

    def _per_host(self, kind: str) -> Options:
        hosts: Options = {}
        for name, own in self.top[kind].items() if kind in self.top else []:
            host = nodeprep(name)
            hosts[host] = together(host, hosts[host], own) if host in hosts else own
        return hosts

    def _own(self, host: str, kind: str) -> Options:
        own = self._per_host(kind).get(host)
        return dict(own.items()) if own else {}

    def _check_values(self) -> None:
        sized: set[tuple[str, ...]] = set()
        for name in (*FLAGS, *POOL_SIZES):
            for place, value in self.every(name):
                if Option(value, place).is_appended:
                    why = "append_host_config takes lists and mappings only; use host_config"
                    raise BadYml(f"{name}: {why}", value.where)
                if name in FLAGS:
                    _check_flag(name, value)
                    continue
                if type(value.value) is not int or value.value < 1:
                    why = f"expected a number from 1 on, not {value.plain}"
                    raise BadYml(f"{name}: {why}", value.where)
                if place in sized:
                    why = "stands twice, as extauth_instances is its old name"
                    raise BadYml(f"extauth_pool_size: {why}", value.where)
                sized.add(place)
        for _, listener in self.listeners():
            for name in LISTENER_FLAGS:
                flag = listener.get(name)
                if flag:
                    _check_flag(name, flag)

    def _resolved(self, value: Value, depth: int = 0) -> Value:
        if depth > MAX_DEPTH:
            raise BadYml("a macro that stands for itself", value.where)
        inner = value.value
        if isinstance(inner, dict):
            made: Any = {key: self._resolved(each, depth) for key, each in inner.items()}
        elif isinstance(inner, list):
            made = [self._resolved(each, depth) for each in inner]
        elif isinstance(inner, str) and inner in self._macros:
            made = self._resolved(self._macros[inner], depth + 1).value
        elif isinstance(inner, str) and "@" in inner:
            made = self._filled(inner)
        else:
            return value
        return Value(made, value.where)

    def _filled(self, text: str) -> str:
        for name, value in self._macros.items():
            if isinstance(value.value, str):
                text = text.replace(f"@{name}@", value.value)
        return text

    def _included(self, options: Options, depth: int) -> Options:
        """The options of a file together with those of the files that it includes."""
        named = options.pop("include_config_file", None)
        if named is None:
            return options
        if depth > MAX_DEPTH:
            raise BadYml("include_config_file: files that include each other", named.where)
        files = _files(named)
        if not all(Path(name).is_absolute() for name, _ in files):
            self.relative.append(named)
        for name, rules in files:
            path = self._path(name)
            try:
                inner = self._included(read(path), depth + 1)
            except BadYml as bad:
                where = bad.where if bad.where.startswith(f"{path}:") else named.where
                raise BadYml(f"{path}: {bad.why}", where) from None
            only, without = rules.get("allow_only"), rules.get("disallow")
            for key, value in inner.items():
                if (only and key not in only.words) or (without and key in without.words):
                    continue
                options[key] = together(key, options[key], value) if key in options else value
        return options

    def _path(self, name: str) -> Path:
        """An included file. A relative one that is not in ejabberd's working directory is looked
        for beside ejabberd.yml, where it was meant to be."""
        there = WORKING_DIRECTORY / name
        beside = self.file.absolute().parent / name
        # Path.exists raises PermissionError: the directory is closed to everybody but ejabberd.
        return there if os.path.exists(there) else beside  # noqa: PTH110


def _hosts(found: Value) -> list[str]:
    """The virtual hosts, as ejabberd compares them."""
    names = found.value if isinstance(found.value, list) else []
    if not names:
        raise BadYml("hosts: expected a list with at least one virtual host", found.where)
    hosts: list[str] = []
    for each in names:
        host = nodeprep(each.value) if isinstance(each.value, str) else ""
        if not 0 < len(host.encode()) <= MAX_HOST_BYTES or any(sign in host for sign in " /@"):
            raise BadYml("hosts: expected names of hosts", each.where)
        if host in hosts:
            raise BadYml(f"hosts: {host}: stands twice", each.where)
        hosts.append(host)
    return hosts


def _files(named: Value) -> list[tuple[str, Value]]:
    """The files of an ``include_config_file``: one name, a list, or names with their rules."""
    if isinstance(named.value, dict):
        for rules in named.value.values():
            for rule, options in rules.items():
                if not isinstance(options.value, list):
                    raise BadYml(f"include_config_file: {rule}: expected a list", options.where)
        return named.items()
    if isinstance(named.value, list) and any(isinstance(each.value, dict) for each in named.value):
        raise BadYml("include_config_file: names with rules are no list", named.where)
    return [(name, Value({}, named.where)) for name in named.words]


def _appended(name: str, found: Value, added: Value) -> Value:
    """What ``append_host_config`` makes of an option that a host has."""
    if isinstance(found.value, dict):
        return together(name, found, added)
    if name not in WORDS and isinstance(found.value, str) and isinstance(added.value, str):
        return Value(found.value + added.value, added.where)
    lists = [each.value if isinstance(each.value, list) else [each] for each in (found, added)]
    return Value(lists[0] + lists[1], added.where)


def _check_flag(name: str, value: Value) -> None:
    if value.truth is None:
        why = f"{name}: expected true or false, in lower case, not {value.plain}"
        raise BadYml(why, value.where)
