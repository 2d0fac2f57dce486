"""ejabberd logs users in through an HTTP service.

The names here are what a backend in a package of its own needs. They are looked up at first use:
what starts many times on one machine must not pay for them.
"""

TYPE_CHECKING = False  # as typing has it: importing that would double the start of a relay
if TYPE_CHECKING:
    from extauth_http.backends import Backend, BackendSettings
    from extauth_http.command import Command, Operation
    from extauth_http.http import Exchange, HttpAnswer
    from extauth_http.verdict import Answer, Undecided, Verdict

__all__ = [
    "Answer",
    "Backend",
    "BackendSettings",
    "Command",
    "Exchange",
    "HttpAnswer",
    "Operation",
    "Undecided",
    "Verdict",
]

_HOMES = {
    "Answer": "verdict",
    "Backend": "backends",
    "BackendSettings": "backends",
    "Command": "command",
    "Exchange": "http",
    "HttpAnswer": "http",
    "Operation": "command",
    "Undecided": "verdict",
    "Verdict": "verdict",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
