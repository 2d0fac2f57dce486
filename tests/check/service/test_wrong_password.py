"""``check --user`` also tries a wrong password of the user."""

import socket

from tests.check.findings import bad, ids
from tests.check.service.services import ALICE, found_of
from tests.integration.service import NO, YES, Request, Service, answering, http


def test_a_service_that_accepts_any_password_of_a_user_is_broken() -> None:
    """It refuses the user that does not exist in another way than a wrong password."""

    def behave(request: Request, connection: socket.socket) -> None:
        is_known = request.json()["user"] == ALICE.user
        connection.sendall(http(200, "wrong password") if is_known else NO)

    with Service(behave) as service:
        found = found_of(service.url, ALICE, allow=[{"status": 200}])
    assert "backend-accepts-any-password" in bad(found)
    with Service(answering(NO, NO, NO, NO, NO, NO, YES, NO)) as service:
        found = found_of(service.url, ALICE)
    assert "backend-refuses-password" in ids(found)
