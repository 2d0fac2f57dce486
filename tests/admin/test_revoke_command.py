"""``extauth-http user revoke``: first the credential is verified."""

import json
import socket

import pytest

from tests.admin.fake_ejabberd import (
    FakeEjabberd,
)
from tests.admin.operator import Operator, Play
from tests.integration.service import NO, YES, Request, Service, answering, http

ALICE, BOB, CAROL = "alice@example.org", "bob@example.org", "carol@example.org"


VERIFY = '[backend]\nkind = "rest"\nurl = "{}"\n'


@pytest.mark.parametrize(
    ("answer", "code", "message", "is_revoked"),
    [
        (NO, 0, "the service refuses it", True),
        (YES, 1, "the service still accepts this credential of alice@example.org", False),
        (http(500), 1, "is not known", False),
    ],
)
def test_a_user_is_revoked_only_if_the_credential_is_refused(
    operator: Operator, play: Play, answer: bytes, code: int, message: str, is_revoked: bool
) -> None:
    with Service(answering(answer)) as service:
        fake = play(more=VERIFY.format(service.url))
        fake.sessions = {ALICE: ["phone"]}
        result = operator("user", "revoke", ALICE, "--yes", stdin=b"swordfish\r\n")
        passwords = [json.loads(each.body).get("password") for each in service.requests]
        assert passwords.count("swordfish") == 1
    assert (result.code, message in result.out + result.err) == (code, True)
    assert "swordfish" not in result.out + result.err
    assert (ALICE not in fake.sessions) is is_revoked
    assert bool(fake.changes) is is_revoked


@pytest.mark.parametrize("stdin", [b"", b"\n", b"\xff\xfe\n"])
def test_an_unusable_credential_is_not_verified(
    operator: Operator, play: Play, stdin: bytes
) -> None:
    with Service() as service:
        fake = play(more=VERIFY.format(service.url))
        result = operator("user", "revoke", ALICE, "--yes", stdin=stdin)
        assert service.requests == []
    assert (result.code, "nothing was changed" in result.err) == (1, True)
    assert fake.changes == []


def test_without_a_backend_a_revocation_needs_no_verify(
    operator: Operator, server: FakeEjabberd
) -> None:
    result = operator("user", "revoke", ALICE, "--yes", stdin=b"swordfish\n")
    assert (result.code, server.changes) == (2, [])
    result = operator("user", "revoke", ALICE, "--yes", "--no-verify")
    assert (result.code, server.changes) == (0, ["clear_cache", "kick_user"])


@pytest.mark.parametrize(("isuser", "is_named"), [(NO, True), (YES, False), (http(500), False)])
def test_a_revocation_of_a_removed_user_names_what_is_left(
    operator: Operator, play: Play, isuser: bytes, is_named: bool
) -> None:
    def answer(request: Request, connection: socket.socket) -> None:
        connection.sendall(NO if "password" in json.loads(request.body) else isuser)

    with Service(answer) as service:
        fake = play(more=VERIFY.format(service.url))
        fake.stored = {ALICE: {"offline messages", "vCard"}}
        words = ("user", "revoke", ALICE, "--yes", "--no-fast")
        result = operator(*words, stdin=b"swordfish\n")
    assert result.code == 0
    left = "ejabberd still stores offline messages: 3, vCard: stored; `extauth-http user purge`"
    assert (left in result.out) is is_named
