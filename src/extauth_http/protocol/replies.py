"""The 4-byte replies: ``00 02`` and a 2-byte big-endian number.

Source: ejabberd's ``extauth.erl``.
"""

from enum import Enum

from extauth_http.protocol.command import Operation
from extauth_http.protocol.verdict import Verdict


class Dialect(Enum):
    """The numbers that the XMPP server understands in a reply."""

    EJABBERD = "ejabberd"
    """ejabberd 18.06 and later: 0, 1, and every other number for a failure."""

    BOOLEAN = "boolean"
    """MongooseIM and older ejabberd: 0 and 1. Any other number crashes the caller."""


REPLY_FALSE = b"\x00\x02\x00\x00"
REPLY_TRUE = b"\x00\x02\x00\x01"
REPLY_FAILURE = b"\x00\x02\x00\x02"


def reply(verdict: Verdict, operation: Operation | None, dialect: Dialect) -> bytes:
    """Returns the 4 bytes of a reply. ``operation`` is None if the packet does not name one.

    ejabberd reports both 0 and 1 for a ``setpass`` as success
    (``ejabberd_auth_external:set_password/3``). So a refused ``setpass`` is a failure.
    """
    if verdict is Verdict.ALLOW:
        return REPLY_TRUE
    if dialect is Dialect.BOOLEAN:
        return REPLY_FALSE
    if verdict is Verdict.DENY and operation is not Operation.SETPASS:
        return REPLY_FALSE
    return REPLY_FAILURE
