"""ejabberd logs users in through an HTTP service.

The names here are what a backend in a package of its own needs. They are looked up at first use:
what starts many times on one machine must not pay for them.
"""

TYPE_CHECKING = False  # as typing has it: importing that would double the start of a relay
if TYPE_CHECKING:
    from extauth_http.backends.base import Backend
    from extauth_http.config.backend import BackendSettings
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
    "Verdict",
]

_HOMES = {
    "Answer": "protocol.verdict",
    "Backend": "backends.base",
    "BackendSettings": "config.backend",
    "Command": "protocol.command",
    "HttpClient": "http.client",
    "Operation": "protocol.command",
    "Response": "http.response",
    "UndecidedError": "protocol.verdict",
    "Verdict": "protocol.verdict",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
