"""Example configurations: the lines to write if a backend is missing."""

from collections.abc import Mapping
from dataclasses import dataclass

from extauth_http.check.suggested_lines import toml_text

PASSWORD_FILE = "/etc/ejabberd/extauth-http.password"  # noqa: S105 - the path of a file


@dataclass(frozen=True, slots=True)
class BackendExample:
    """A ``[backend]`` table. ``username`` is the account of this program at the service, empty if
    it needs none."""

    kind: str = "rest"
    url: str = "http://127.0.0.1:8080/xmpp"
    username: str = ""

    def toml(self, table: str = "backend") -> str:
        """The lines of the table and of the tables inside it."""
        lines = [f"[{table}]", f"kind = {toml_text(self.kind)}", f"url = {toml_text(self.url)}"]
        if self.username:
            lines += [
                "",
                f"[{table}.service_auth]",
                'kind = "basic"',
                f"username = {toml_text(self.username)}",
                f"password_file = {toml_text(PASSWORD_FILE)}",
            ]
        return "\n".join(lines)


NO_EXAMPLES: Mapping[str, BackendExample] = {}


def host_table(host: str) -> str:
    """The name of the table of a virtual host's backend."""
    return f"hosts.{toml_text(host)}.backend"


def example_config(examples: Mapping[str, BackendExample] = NO_EXAMPLES) -> str:
    """A minimal configuration. ``examples`` are the backends by virtual host, as far as they are
    known; one table is enough if they are equal."""
    different = dict.fromkeys(examples.values())
    if len(different) <= 1:
        return next(iter(different), BackendExample()).toml()
    return "\n\n".join(each.toml(host_table(host)) for host, each in examples.items())
