"""An ejabberd external authentication program that checks every login against an HTTP service.

The names here are the interface for a backend in a package of its own; ``docs/plugins.md``
describes it. Each name is imported at its first use: a relay, of which many run on one machine,
needs none of them.
"""

TYPE_CHECKING = (
    False  # Type checkers take it for typing's; importing typing doubles a relay's start.
)
if TYPE_CHECKING:
    from extauth_http.backends.base import Backend
    from extauth_http.config.backend import BackendSettings
    from extauth_http.config.endpoint import Url
    from extauth_http.http.client import HttpClient
    from extauth_http.http.response import Response
    from extauth_http.protocol.command import Command, Operation
    from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict

__all__ = [
    "Answer",
    "Backend",
    "BackendSettings",
    "Command",
    "HttpClient",
    "Operation",
    "Response",
    "UndecidedError",
    "Url",
    "Verdict",
]

_MODULES = {
    "Answer": "protocol.verdict",
    "Backend": "backends.base",
    "BackendSettings": "config.backend",
    "Command": "protocol.command",
    "HttpClient": "http.client",
    "Operation": "protocol.command",
    "Response": "http.response",
    "UndecidedError": "protocol.verdict",
    "Url": "config.endpoint",
    "Verdict": "protocol.verdict",
}
"""The module that defines each name."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
