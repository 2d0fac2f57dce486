"""TODO."""

from enum import Enum

from extauth_http.protocol.command import Operation
from extauth_http.protocol.verdict import Verdict


class Dialect(Enum):
    """Which reply numbers the server at the other end understands."""

    EJABBERD = "ejabberd"
    """ejabberd 18.06 and later: any number but 0 and 1 is a failure of the database."""

    BOOLEAN = "boolean"
    """MongooseIM and older ejabberd: another number than 0 and 1 crashes the caller."""


REPLY_FALSE = b"\x00\x02\x00\x00"
REPLY_TRUE = b"\x00\x02\x00\x01"
REPLY_FAILURE = b"\x00\x02\x00\x02"


def reply(verdict: Verdict, operation: Operation | None, dialect: Dialect) -> bytes:
    """The 4 bytes of the one answer to a packet; ``operation`` is None where it was not readable.

    ejabberd tells the client that its password was changed on any 0 or 1 to a ``setpass``
    (``ejabberd_auth_external:set_password/3``), so a refused one is answered as a failure.
    """
    if verdict is Verdict.ALLOW:
        return REPLY_TRUE
    if dialect is Dialect.BOOLEAN:
        return REPLY_FALSE
    if verdict is Verdict.DENY and operation is not Operation.SETPASS:
        return REPLY_FALSE
    return REPLY_FAILURE
