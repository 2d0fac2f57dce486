"""Replies to packets."""

import pytest

from extauth_http.protocol.command import Operation
from extauth_http.protocol.replies import Dialect, reply
from extauth_http.protocol.verdict import Verdict

TRUE, FALSE, FAILURE = b"\x00\x02\x00\x01", b"\x00\x02\x00\x00", b"\x00\x02\x00\x02"


@pytest.mark.parametrize(
    ("dialect", "operation", "allow", "deny", "undecided"),
    [
        (Dialect.EJABBERD, Operation.AUTH, TRUE, FALSE, FAILURE),
        (Dialect.EJABBERD, Operation.ISUSER, TRUE, FALSE, FAILURE),
        # ejabberd reports 0 as success.
        (Dialect.EJABBERD, Operation.SETPASS, TRUE, FAILURE, FAILURE),
        (Dialect.EJABBERD, Operation.TRYREGISTER, TRUE, FALSE, FAILURE),
        (Dialect.EJABBERD, Operation.REMOVEUSER, TRUE, FALSE, FAILURE),
        (Dialect.EJABBERD, Operation.REMOVEUSER3, TRUE, FALSE, FAILURE),
        (Dialect.EJABBERD, Operation.CERTAUTH, TRUE, FALSE, FAILURE),
        (Dialect.EJABBERD, None, TRUE, FALSE, FAILURE),
        *((Dialect.BOOLEAN, operation, TRUE, FALSE, FALSE) for operation in [*Operation, None]),
    ],
)
def test_each_dialect_has_its_own_numbers(
    dialect: Dialect, operation: Operation | None, allow: bytes, deny: bytes, undecided: bytes
) -> None:
    answers = [reply(verdict, operation, dialect) for verdict in Verdict]
    assert answers == [allow, deny, undecided]
