"""The registry of the kinds of backend: ``kind = "rest"`` → a class.

The built-in kinds are in ``BUILT_IN``. An installed package offers a kind by an entry point in the
group ``extauth_http.backends``; ``docs/plugins.md`` describes it. A built-in kind has priority
over an entry point of the same name.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from extauth_http.backends.base import Backend
from extauth_http.config.backend import BackendSettings
from extauth_http.config.settings import Settings, load_settings

ENTRY_POINTS = "extauth_http.backends"
"""The group of entry points by which installed packages offer kinds."""

BUILT_IN = {
    "chain": "extauth_http.backends.chain:Chain",
    "htpasswd": "extauth_http.backends.htpasswd:Htpasswd",
    "introspection": "extauth_http.backends.introspection:Introspection",
    "jwt": "extauth_http.backends.jwt:Jwt",
    "jsxc": "extauth_http.backends.jsxc:Jsxc",
    "mongooseim": "extauth_http.backends.mongooseim:Mongooseim",
    "password_grant": "extauth_http.backends.password_grant:PasswordGrant",
    "rest": "extauth_http.backends.rest:Rest",
    "status": "extauth_http.backends.status:Status",
    "userinfo": "extauth_http.backends.userinfo:Userinfo",
}
"""The built-in kinds as ``module:class``. A kind is imported when a configuration names it, so
that the others do not make the start slower."""


EXTRAS = {"htpasswd", "jwt"}
"""Kinds that need packages of the extra of the same name."""


def backend_class(kind: str) -> type[Backend]:
    """The class of a kind.

    Raises ValueError if there is no such kind (it names those that exist), or if the package that
    offers it cannot be imported or offers something that is not a Backend. What a package raises
    at its import is not part of the message: it may hold anything.
    """
    place = BUILT_IN.get(kind)
    if place:
        module, _, name = place.partition(":")
        try:
            found: type[Backend] = getattr(import_module(module), name)
        except ImportError as error:
            if kind not in EXTRAS:
                raise
            raise ValueError(
                f"{error.name} is missing; install it with: pip install 'extauth-http[{kind}]'"
            ) from None
        return found
    from importlib.metadata import entry_points

    offered = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if kind not in offered:
        known = ", ".join(sorted({*BUILT_IN, *offered}))
        raise ValueError(f"expected one of {known}; no installed package offers {kind!r}")
    point = offered[kind]
    try:
        loaded = point.load()
    except BaseException as error:  # noqa: BLE001 - a package may do anything at its import
        raise ValueError(
            f"the package that offers {kind!r} ({point.value}) cannot be imported: "
            f"{type(error).__name__}"
        ) from None
    if not (isinstance(loaded, type) and issubclass(loaded, Backend)):
        raise ValueError(f"{point.value}, offered as {kind!r}, is not a subclass of Backend")
    return loaded


def backend_of_kind(data: Any) -> Any:
    """A ``backend`` table as the settings of its kind; None and settings are returned as they are.

    Raises pydantic.ValidationError, which names the keys of that kind, and PydanticCustomError if
    the table does not name a kind that exists.
    """
    if data is None or isinstance(data, BackendSettings):
        return data
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        raise PydanticCustomError("kind", 'expected a table with a kind, such as kind = "rest"')
    try:
        found = backend_class(data["kind"])
    except ValueError as error:
        raise PydanticCustomError("kind", "kind: {why}", {"why": str(error)}) from None
    return found.Settings.model_validate(data)


def load(file: Path | None) -> Settings:
    """The settings in a file and the environment. Raises UnusableConfigError.

    ``file`` is None if the environment alone holds the configuration.
    """
    return load_settings(file, backend_of_kind)
