"""``check`` asks each URL of ``standby``."""

import pytest

from extauth_http.check.finding import Level
from extauth_http.check.service.probe import findings
from tests.integration.service import NO, YES, Service, answering, http
from tests.settings import settings_of


@pytest.mark.parametrize(
    ("answer", "level", "text"),
    [
        (NO, Level.GOOD, "refuses a user that does not exist (denied)"),
        (YES, Level.BROKEN, "lets a user log in that does not exist"),
        (http(500), Level.BROKEN, "gives no answer (http_500)"),
    ],
)
def test_a_standby_that_decides_in_another_way_is_a_problem(
    answer: bytes, level: Level, text: str
) -> None:
    with Service(answering(NO)) as first, Service(answering(answer)) as second:
        backend = {"kind": "rest", "url": first.url, "standby": [second.url]}
        found = list(findings(settings_of(backend=backend), ["example.org"], None))
    (standby,) = [each for each in found if each.id == "backend-standby"]
    assert standby.level is level
    assert standby.found == f"the standby {second.url} {text}"


def test_a_standby_that_cannot_be_reached_is_a_problem() -> None:
    with Service(answering(NO)) as first:
        backend = {"kind": "rest", "url": first.url, "standby": ["http://127.0.0.1:1/x"]}
        found = list(findings(settings_of(backend=backend), ["example.org"], None))
    ids = {each.id for each in found if each.level is Level.BROKEN}
    assert ids == {"backend-unreachable", "backend-standby"}
