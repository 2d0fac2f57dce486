"""Predefined keywords such as ``@CONFIG_PATH@``, which ejabberd replaces in texts.

Rules, observed on ejabberd 23.01, 24.12 and 26.07; the releases in SINCE are those of ejabberd's
changelog and source (``ejabberd_config:get_predefined_keywords/1``):

- 23.01 and 24.12 have no predefined keywords: the program receives ``@HOME@`` as it is.
- ``@HOST@`` is replaced in options of modules only.
- A macro may contain a keyword.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from extauth_http.check.ejabberd_yml.yaml_values import Options, Value
from extauth_http.ejabberd_api.releases import Release

SINCE: Mapping[str, Release] = {
    "HOME": Release(25, 3),
    "VERSION": Release(25, 3),
    "SEMVER": Release(25, 3),
    "CONFIG_PATH": Release(25, 7),
    "LOG_PATH": Release(25, 7),
    "DATABASE_PATH": Release(26, 4),
}
MODULES_ONLY = ("HOST", "HOST_URL_ENCODE")

LOG_PATH = "/var/log/ejabberd"
DATABASE_PATH = "/var/lib/ejabberd"
"""The directories of Debian's package. ``ejabberdctl`` may set others."""

_KEYWORD = re.compile(r"@([A-Z_]+)@")


@dataclass(frozen=True, slots=True)
class Environment:
    """What the values of keywords depend on: the release, and the home of ejabberd's account.

    ``release`` is None if it is unknown. Then keywords are replaced as the newest release does,
    except for those that name the release.
    """

    release: Release | None = None
    home: str = DATABASE_PATH

    def values(self, file: Path) -> dict[str, str]:
        """The value of each keyword that this release replaces. ``file`` is ejabberd.yml."""
        known = self.all_values(file)
        return {name: value for name, value in known.items() if self.replaces(name)}

    def all_values(self, file: Path) -> dict[str, str]:
        """The values in the newest release."""
        values = {
            "HOME": self.home,
            "CONFIG_PATH": str(file.absolute().parent),
            "LOG_PATH": LOG_PATH,
            "DATABASE_PATH": DATABASE_PATH,
        }
        if self.release:
            values |= {"VERSION": str(self.release), "SEMVER": str(self.release)}
        return values

    def replaces(self, name: str) -> bool:
        """Whether this release replaces a keyword, as far as the release is known."""
        return name in SINCE and (self.release is None or self.release >= SINCE[name])


UNKNOWN = Environment()


def names_in(text: str) -> list[str]:
    """The predefined keywords in a text, each once."""
    found = dict.fromkeys(_KEYWORD.findall(text))
    return [name for name in found if name in SINCE or name in MODULES_ONLY]


def replace_in_text(text: str, values: Mapping[str, str]) -> str:
    return _KEYWORD.sub(lambda found: values.get(found[1], found[0]), text)


def replace(options: Options, values: Mapping[str, str]) -> Options:
    """The options with the keywords replaced, except in ``modules``."""
    return {
        name: value if name == "modules" else _replaced(value, values)
        for name, value in options.items()
    }


def texts_with_keywords(options: Options) -> Iterator[tuple[str, str]]:
    """FILE:LINE and text of each text that contains a keyword, before it is replaced."""
    for value in options.values():
        yield from _texts(value)


def _texts(value: Value) -> Iterator[tuple[str, str]]:
    if isinstance(value.value, str) and names_in(value.value):
        yield value.where, value.value
    inner = value.value
    for each in inner.values() if isinstance(inner, dict) else inner if _is_list(inner) else ():
        yield from _texts(each)


def _replaced(value: Value, values: Mapping[str, str]) -> Value:
    inner = value.value
    if isinstance(inner, dict):
        return Value({key: _replaced(each, values) for key, each in inner.items()}, value.where)
    if _is_list(inner):
        return Value([_replaced(each, values) for each in inner], value.where)
    if isinstance(inner, str):
        return Value(replace_in_text(inner, values), value.where)
    return value


def _is_list(value: object) -> bool:
    return isinstance(value, list)
