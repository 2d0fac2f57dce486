"""Settings that are valid and yet risky: plain http, the dialect and the deadline."""

from collections.abc import Iterator

from extauth_http.check.configuration.sections import sections_of
from extauth_http.check.finding import Finding, good, warning
from extauth_http.config.endpoint import Endpoint
from extauth_http.config.settings import Settings
from extauth_http.protocol.limits import EJABBERD_TIMEOUT, MONGOOSEIM_TIMEOUT
from extauth_http.protocol.replies import Dialect


def findings(settings: Settings, *, for_ejabberd: bool) -> Iterator[Finding]:
    """``for_ejabberd`` says that the server is ejabberd, not MongooseIM."""
    yield from _plain_http(settings)
    yield _dialect(settings.dialect, for_ejabberd)
    yield _deadline(settings)


def _plain_http(settings: Settings) -> Iterator[Finding]:
    lines = {
        str(value): f'{key} = "{str(value).replace("http://", "https://", 1)}"'
        for section in sections_of(settings)
        for key, value in section
        if isinstance(value, Endpoint)
    }
    for sentence in settings.warnings():
        line = next((line for url, line in lines.items() if f" {url} " in sentence), "")
        yield warning("config-plain-http" if line else "config-risk", sentence, line=line)


def _dialect(dialect: Dialect, for_ejabberd: bool) -> Finding:
    if dialect is Dialect.EJABBERD:
        return good("dialect-ejabberd", 'dialect is "ejabberd", for ejabberd 18.06 and later')
    if not for_ejabberd:
        return good("dialect-boolean", 'dialect is "boolean", for MongooseIM and old ejabberd')
    return warning(
        "dialect",
        'dialect is "boolean", for MongooseIM and ejabberd before 18.06. With it, ejabberd reports '
        "a failed change of a password as successful",
        line='dialect = "ejabberd"',
    )


def _deadline(settings: Settings) -> Finding:
    is_boolean = settings.dialect is Dialect.BOOLEAN
    timeout = MONGOOSEIM_TIMEOUT if is_boolean else EJABBERD_TIMEOUT
    server = "MongooseIM" if is_boolean else "ejabberd"
    text = f"deadline is {settings.deadline:g} s, and the timeout of {server} is {timeout:g} s"
    if settings.deadline >= timeout:
        return warning("deadline", text, line="deadline = 8.0")
    if not is_boolean and settings.deadline > timeout / 2:
        return warning(
            "deadline-long",
            f"{text}, time in the queue included. A request that waits behind another one for the "
            "whole deadline has too little time left",
            line="deadline = 8.0",
        )
    return good("deadline-below", text)
