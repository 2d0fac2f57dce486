"""Parses ejabberd.yml as ejabberd does, with its included files, macros and virtual hosts.

Rules, verified on ejabberd 23.01, 24.12 and 26.07:

- ``hosts`` is a list without duplicates. ejabberd compares the names after nodeprep, also those in
  ``host_config``.
- ``host_config`` replaces an option for its host, also the whole of ``modules``.
- ``append_host_config`` adds to what the host has: it merges lists and mappings and concatenates
  texts. ejabberd does not start if it contains a boolean or a number.

yaml_values.py has the rules for YAML, included_files.py and macros.py those for the whole file.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extauth_http.check.ejabberd_yml import keywords
from extauth_http.check.ejabberd_yml.included_files import read_with_includes, with_absolute_paths
from extauth_http.check.ejabberd_yml.macros import substitute
from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError, Options, Value, merge
from extauth_http.protocol.preparation import nodeprep

MAX_HOST_BYTES = 1023
"""RFC 7622 section 3.2."""

WORD_LISTS = ("auth_method", "disable_sasl_mechanisms")
"""Options for which ejabberd accepts a single word instead of a list of one."""

BOOLEANS = ("auth_use_cache", "use_cache", "auth_external_user_exists_check")
LISTENER_BOOLEANS = ("starttls", "starttls_required", "tls", "tls_verify")
POOL_SIZES = ("extauth_pool_size", "extauth_instances")
MAPPINGS = ("define_macro", "host_config", "append_host_config", "modules")
HOST_MAPPINGS = ("host_config", "append_host_config")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of one host. ``place`` is empty at the top of the file, else the mapping and the
    host, such as ``("host_config", "example.org")``."""

    value: Value
    place: tuple[str, ...]

    @property
    def is_appended(self) -> bool:
        return self.place[:1] == ("append_host_config",)


class EjabberdYml:
    """One configuration. The constructor raises EjabberdYmlError if ejabberd does not start with
    it.

    ``top`` has the options at the top of the file, macros and keywords replaced. ``hosts`` are the
    virtual hosts after nodeprep. ``relative_includes`` are the ``include_config_file`` with a
    relative name. ``keywords`` are the predefined keywords that ``environment`` replaces.

    ``checked_hosts`` are those of ``hosts`` that a check is limited to, or all of them.
    """

    def __init__(
        self,
        file: Path,
        environment: keywords.Environment = keywords.UNKNOWN,
        checked_hosts: Collection[str] = (),
    ) -> None:
        self.file = file
        self.environment = environment
        options, self.relative_includes = read_with_includes(file)
        for name in MAPPINGS:
            if name in options and not isinstance(options[name].value, dict):
                raise EjabberdYmlError(f"{name}: expected a mapping", options[name].where)
        written = substitute(options, environment.release)
        self._before_keywords = dict(keywords.texts_with_keywords(written))
        self.keywords = environment.values(file)
        self.top = keywords.replace(written, self.keywords)
        self.hosts = _hosts(self.top.get("hosts", Value([], f"{file}:1")))
        chosen = [nodeprep(host) for host in checked_hosts]
        self.checked_hosts = [host for host in self.hosts if not chosen or host in chosen]
        self._check_hosts()
        self._check_numbers_and_booleans()

    def option(self, host: str, name: str) -> Option | None:
        """The value of an option at a host; None if ejabberd uses its default."""
        parts = self.parts(host, name)
        if len(parts) > 1:
            return Option(_append(name, parts[0].value, parts[1].value), parts[1].place)
        return parts[0] if parts else None

    def parts(self, host: str, name: str) -> list[Option]:
        """The parts of an option at a host, in the order in which ejabberd combines them: none,
        the value, or the value and what ``append_host_config`` adds."""
        parts = [Option(self.top[name], ())] if name in self.top else []
        own = self._options_of(host, "host_config").get(name)
        if own:
            parts = [Option(own, ("host_config", host))]
        added = self._options_of(host, "append_host_config").get(name)
        return [*parts, Option(added, ("append_host_config", host))] if added else parts

    def before_keywords(self, option: Option) -> str:
        """The text of an option, before its keywords are replaced."""
        return self._before_keywords.get(option.value.where, str(option.value.plain))

    def modules(self, host: str) -> dict[str, Option]:
        """The modules of a host, with the place of each."""
        return {
            name: Option(value, (*part.place, "modules"))
            for part in self.parts(host, "modules")
            for name, value in part.value.items()
        }

    def listeners(self) -> list[tuple[int, Value]]:
        """The listeners, with the index of each in ``listen``."""
        listen = self.top.get("listen")
        return list(enumerate(listen.value)) if listen and isinstance(listen.value, list) else []

    def occurrences(self, name: str) -> Iterator[Option]:
        """Each occurrence of an option: at the top and in the parts of the hosts."""
        if name in self.top:
            yield Option(self.top[name], ())
        for kind in HOST_MAPPINGS:
            for host, own in self._per_host(kind).items():
                value = own.get(name)
                if value:
                    yield Option(value, (kind, host))

    def with_absolute_paths(self, include: Value) -> Any:
        """The plain value of an ``include_config_file``, each name as an absolute path."""
        return with_absolute_paths(self.file, include)

    def _per_host(self, kind: str) -> Options:
        hosts: Options = {}
        for name, own in self.top[kind].items() if kind in self.top else []:
            host = nodeprep(name)
            hosts[host] = merge(host, hosts[host], own) if host in hosts else own
        return hosts

    def _options_of(self, host: str, kind: str) -> Options:
        own = self._per_host(kind).get(host)
        return dict(own.items()) if own else {}

    def _check_hosts(self) -> None:
        for kind in HOST_MAPPINGS:
            for host, own in self._per_host(kind).items():
                if host not in self.hosts:
                    raise EjabberdYmlError(f"{kind}: {host} is not in hosts", own.where)
                if not isinstance(own.value, dict):
                    raise EjabberdYmlError(f"{kind}: {host}: expected options", own.where)

    def _check_numbers_and_booleans(self) -> None:
        for name in (*BOOLEANS, *POOL_SIZES):
            for option in self.occurrences(name):
                if option.is_appended:
                    reason = "append_host_config accepts lists and mappings only; use host_config"
                    raise EjabberdYmlError(f"{name}: {reason}", option.value.where)
        for name in BOOLEANS:
            for option in self.occurrences(name):
                _check_boolean(name, option.value)
        self._check_pool_sizes()
        for _, listener in self.listeners():
            for name in LISTENER_BOOLEANS:
                value = listener.get(name)
                if value:
                    _check_boolean(name, value)

    def _check_pool_sizes(self) -> None:
        places: set[tuple[str, ...]] = set()
        for name in POOL_SIZES:
            for option in self.occurrences(name):
                where = option.value.where
                size = option.value.value
                if type(size) is not int or size < 1:
                    reason = f"expected a number greater than 0, not {option.value.plain}"
                    raise EjabberdYmlError(f"{name}: {reason}", where)
                if option.place in places:
                    reason = "is set twice, because extauth_instances is its old name"
                    raise EjabberdYmlError(f"extauth_pool_size: {reason}", where)
                places.add(option.place)


def _hosts(value: Value) -> list[str]:
    names = value.value if isinstance(value.value, list) else []
    if not names:
        raise EjabberdYmlError("hosts: expected a list with at least one virtual host", value.where)
    hosts: list[str] = []
    for each in names:
        host = nodeprep(each.value) if isinstance(each.value, str) else ""
        if not 0 < len(host.encode()) <= MAX_HOST_BYTES or any(sign in host for sign in " /@"):
            raise EjabberdYmlError("hosts: expected host names", each.where)
        if host in hosts:
            raise EjabberdYmlError(f"hosts: {host}: is listed twice", each.where)
        hosts.append(host)
    return hosts


def _append(name: str, value: Value, added: Value) -> Value:
    if isinstance(value.value, dict):
        return merge(name, value, added)
    if name not in WORD_LISTS and isinstance(value.value, str) and isinstance(added.value, str):
        return Value(value.value + added.value, added.where)
    lists = [each.value if isinstance(each.value, list) else [each] for each in (value, added)]
    return Value(lists[0] + lists[1], added.where)


def _check_boolean(name: str, value: Value) -> None:
    if value.boolean is None:
        reason = f"{name}: expected true or false in lower case, not {value.plain}"
        raise EjabberdYmlError(reason, value.where)
