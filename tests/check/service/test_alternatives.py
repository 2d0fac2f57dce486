"""``check`` asks each URL of ``standby`` and each table of a chain."""

from pathlib import Path

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
        (
            http(500),
            Level.BROKEN,
            "gives no answer (http_500: the service answered with status 500)",
        ),
    ],
)
def test_a_standby_that_decides_in_another_way_is_a_problem(
    answer: bytes, level: Level, text: str
) -> None:
    with Service(answering(NO)) as first, Service(answering(answer)) as second:
        backend = {"kind": "rest", "url": first.url, "standby": [second.url]}
        found = list(findings(settings_of(backend=backend), ["example.org"], None))
    (standby,) = [each for each in found if each.id == "backend-alternative"]
    assert standby.level is level
    assert standby.found == f"the standby {second.url} {text}"


def test_a_standby_that_cannot_be_reached_is_a_problem() -> None:
    with Service(answering(NO)) as first:
        backend = {"kind": "rest", "url": first.url, "standby": ["http://127.0.0.1:1/x"]}
        found = list(findings(settings_of(backend=backend), ["example.org"], None))
    ids = {each.id for each in found if each.level is Level.BROKEN}
    assert ids == {"backend-unreachable", "backend-alternative"}


def test_each_table_of_a_chain_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("admin:{SHA}x\n")
    with Service(answering(YES)) as service:
        tables = [
            {"kind": "htpasswd", "file": str(file), "users": ["admin"]},
            {"kind": "rest", "url": service.url},
        ]
        settings = settings_of(backend={"kind": "chain", "try": tables})
        found = list(findings(settings, ["example.org"], None))
    texts = [each.found for each in found if each.id == "backend-alternative"]
    assert texts == [
        "try.1 (htpasswd) gives no answer (local_file: line 1: expected a hash of bcrypt or "
        "Argon2; htpasswd -B writes bcrypt)",
        "try.2 (rest) lets a user log in that does not exist",
    ]
