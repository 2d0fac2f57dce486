"""The answers, and the configuration that they make."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from extauth_http.check.suggested_lines import toml_text
from extauth_http.init.kinds import KINDS, SERVICE_AUTH, SecretKey

Table = dict[str, Any]

HEADING = """\
# The configuration of extauth-http, written by `extauth-http init`.
# A change takes effect with the next login. `extauth-http check` finds errors in it.
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """``values`` are keys of the backend's table. ``service_auth`` is a key of SERVICE_AUTH.

    ``secret`` is the content for ``secret_file`` if that file is to be created; it is empty if
    the file exists. ``hosts`` is empty if all virtual hosts use this backend.
    """

    kind: str
    values: Mapping[str, str]
    hosts: tuple[str, ...] = ()
    service_auth: str = "none"
    username: str = ""
    header_name: str = ""
    secret_file: Path | None = None
    secret: str = field(default="", repr=False)
    log_file: Path | None = None

    def tables(self, *, with_secret: bool) -> Table:
        """The tables of the configuration.

        With ``with_secret``, a secret that is in no file yet takes the place of its file, so that
        the tables can be used before anything is written.
        """
        backend = self._backend(with_secret=with_secret)
        found: Table = {"log": {"file": str(self.log_file)}} if self.log_file else {}
        if not self.hosts:
            return {**found, "backend": backend}
        return {**found, "hosts": {host: {"backend": backend} for host in self.hosts}}

    def _backend(self, *, with_secret: bool) -> Table:
        table: Table = {
            "kind": self.kind,
            **{key: text for key, text in self.values.items() if text},
        }
        kind = KINDS[self.kind]
        if kind.secret is SecretKey.SHARED or (kind.secret and self.values.get("client_id")):
            table |= self._secret(kind.secret.value, with_secret=with_secret)
        if self.service_auth != "none":
            table["service_auth"] = {
                "kind": self.service_auth,
                **self._identity(),
                **self._secret(SERVICE_AUTH[self.service_auth], with_secret=with_secret),
            }
        return _confirmed(table) if self.kind == "jwt" else table

    def _identity(self) -> Table:
        match self.service_auth:
            case "basic":
                return {"username": self.username}
            case "header":
                return {"name": self.header_name}
        return {}

    def _secret(self, key: str, *, with_secret: bool) -> Table:
        if self.secret and with_secret:
            return {key: self.secret}
        return {f"{key}_file": str(self.secret_file)} if self.secret_file else {}


def _confirmed(table: Table) -> Table:
    """The table of kind ``jwt``: the keys of the client belong to the backend that confirms."""
    own = {key: value for key, value in table.items() if not key.startswith("client_")}
    return {**own, "confirm": {**table, "kind": "introspection"}}


def toml(tables: Table) -> str:
    """The text of a configuration file. Each value is a text or a table."""
    return "\n\n".join((HEADING.rstrip("\n"), *_tables(tables, ()))) + "\n"


def _tables(table: Table, path: tuple[str, ...]) -> Iterator[str]:
    lines = [f"{key} = {toml_text(each)}" for key, each in table.items() if isinstance(each, str)]
    if lines:
        yield "\n".join((f"[{'.'.join(path)}]", *lines))
    for key, each in table.items():
        if isinstance(each, dict):
            name = toml_text(key) if path == ("hosts",) else key
            yield from _tables(each, (*path, name))
