"""What every backend is, and how one is found by its kind.

A backend turns a command into a request to its service, and the service's answer into a verdict.
Everything that is the same for all of them (deadline, TLS, service credentials, what a status
outside the contract means) is done for it.
"""

from importlib import import_module
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import PydanticCustomError

from extauth_http.command import Command
from extauth_http.endpoint import Endpoint
from extauth_http.http import Exchange
from extauth_http.service_auth import Section, ServiceAuth, service_auth_of_kind
from extauth_http.tls import Tls
from extauth_http.verdict import Answer, Verdict

ENTRY_POINTS = "extauth_http.backends"
"""The entry-point group under which an installed package offers kinds of its own."""

BUILT_IN = {
    "introspection": "extauth_http.backends.introspection:Introspection",
    "jsxc": "extauth_http.backends.jsxc:Jsxc",
    "mongooseim": "extauth_http.backends.mongooseim:Mongooseim",
    "password_grant": "extauth_http.backends.password_grant:PasswordGrant",
    "rest": "extauth_http.backends.rest:Rest",
    "status": "extauth_http.backends.status:Status",
    "userinfo": "extauth_http.backends.userinfo:Userinfo",
}


def _endpoint(url: object) -> Endpoint:
    if isinstance(url, Endpoint):
        return url
    if not isinstance(url, str):
        raise ValueError("expected a URL")
    return Endpoint.parse(url)


Url = Annotated[Endpoint, BeforeValidator(_endpoint), PlainSerializer(str)]
"""A setting that is an http or https URL, taken apart."""


class BackendSettings(Section, arbitrary_types_allowed=True):
    """The keys that each kind has; a kind adds its own in a subclass."""

    kind: str
    service_auth: Annotated[ServiceAuth | None, BeforeValidator(service_auth_of_kind)] = None
    tls: Tls = Tls()
    trust_env: bool = False
    """Whether the proxies that the environment names are used."""
    jid_unescape: bool = False
    """Whether XEP-0106 escapes in the user are undone before the service is asked."""

    def endpoints(self) -> list[Endpoint]:
        """Where this backend sends credentials, for the warnings about plain http."""
        found: list[Endpoint] = []
        for _, value in self:
            if isinstance(value, Endpoint):
                found.append(value)
            elif isinstance(value, BackendSettings):
                found += value.endpoints()
        return found


class Backend:
    """One kind of service. Its methods are the operations; each takes the command and what to ask
    with, and gives a verdict, or an answer where it has a reason of its own to tell.

    A method that cannot tell raises ``Undecided``; any other exception is UNDECIDED too. What a
    kind cannot do it leaves out: the answer is then DENY. An instance is used by several threads
    and must remember nothing about a command.
    """

    Settings: ClassVar[type[BackendSettings]] = BackendSettings

    def __init__(self, settings: Any) -> None:
        """``settings`` is an instance of the class's ``Settings``."""

    def close(self) -> None:
        """Closes connections of its own, if it has any; called when it is no longer used."""

    def auth(self, command: Command, http: Exchange) -> Verdict | Answer:
        """May this user log in with this password?"""
        return UNSUPPORTED

    def isuser(self, command: Command, http: Exchange) -> Verdict | Answer:
        """Does this user exist?"""
        return UNSUPPORTED

    def setpass(self, command: Command, http: Exchange) -> Verdict | Answer:
        """Make this the user's password."""
        return UNSUPPORTED

    def tryregister(self, command: Command, http: Exchange) -> Verdict | Answer:
        """Create this user."""
        return UNSUPPORTED

    def removeuser(self, command: Command, http: Exchange) -> Verdict | Answer:
        """Delete this user."""
        return UNSUPPORTED

    def removeuser3(self, command: Command, http: Exchange) -> Verdict | Answer:
        """Delete this user if the password is right."""
        allowed = self.auth(command, http)
        verdict = allowed.verdict if isinstance(allowed, Answer) else allowed
        return self.removeuser(command, http) if verdict is Verdict.ALLOW else allowed

    def certauth(self, command: Command, http: Exchange) -> Verdict | Answer:
        """May this user log in with this certificate?"""
        return UNSUPPORTED


UNSUPPORTED = Answer(Verdict.DENY, "unsupported", "this kind of backend cannot do that")


def backend_class(kind: str) -> type[Backend]:
    """The class of a kind: a built-in one, or one that an installed package offers.

    Raises ValueError naming what there is, or what is wrong with the package.
    """
    place = BUILT_IN.get(kind)
    if place:
        module, _, name = place.partition(":")
        found: type[Backend] = getattr(import_module(module), name)
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
        raise ValueError(f"{point.value}, offered as {kind!r}, is no subclass of Backend")
    return loaded


def backend_of_kind(data: Any) -> Any:
    """Validates a ``backend`` table as the kind it names, so that an error names its keys."""
    if data is None or isinstance(data, BackendSettings):
        return data
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        raise PydanticCustomError("kind", 'expected a table with a kind, such as kind = "rest"')
    try:
        found = backend_class(data["kind"])
    except ValueError as error:
        raise PydanticCustomError("kind", "kind: {why}", {"why": str(error)}) from None
    return found.Settings.model_validate(data)


SomeBackend = Annotated[BackendSettings | None, BeforeValidator(backend_of_kind)]
"""A setting that is a ``backend`` table of any kind."""
