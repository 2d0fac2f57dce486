"""The report of the long run finds wrong verdicts, and counts lost logins per fault."""

import pytest

from tests.soak.clients import Login, Result
from tests.soak.report import FaultRun, Sample, SoakRun, recovery, report

ADMITTED, REFUSED, NO_ANSWER = Result


def a_run(*logins: Login, restarts: int = 0) -> SoakRun:
    faults = [FaultRun("pause", 20, 23), FaultRun("kill", 40, 41), FaultRun("pause", 60, 62)]
    samples = [Sample(0, 50.0, 39, 99.8, 32)]
    return SoakRun(80.0, logins, faults, samples, restarts)


def login(
    at: float, result: Result, *, right: bool = True, seconds: float = 0.1, detail: str = ""
) -> Login:
    return Login(right, at, seconds, result, detail)


@pytest.mark.parametrize(
    ("run", "is_correct"),
    [
        (a_run(login(21, ADMITTED), login(22, REFUSED, right=False)), True),
        (a_run(login(21, REFUSED), login(22, NO_ANSWER)), True),
        (a_run(login(21, ADMITTED, right=False)), False),
        (a_run(restarts=1), False),
    ],
)
def test_only_an_admitted_wrong_password_or_a_restart_is_incorrect(
    run: SoakRun, *, is_correct: bool
) -> None:
    assert run.is_correct is is_correct


def test_a_login_counts_for_the_fault_during_which_it_ended() -> None:
    logins = [login(10, REFUSED), login(39, REFUSED), login(41, NO_ANSWER), login(61, REFUSED)]
    logins += [login(62, REFUSED), login(63, REFUSED, right=False)]
    text = report(a_run(*logins))
    assert "| pause | 2 | 0 | 3 | 2 | 3.0 s | 19.0 s | 0.1 s |" in text
    assert "| kill | 1 | 0 | 1 | 1 | 1.0 s | 1.0 s | 0.1 s |" in text


def test_the_recovery_ends_with_the_last_login_that_was_lost_or_slow() -> None:
    fault = FaultRun("kill", 40, 41)
    assert recovery(fault, [login(41, ADMITTED)]) == 0.0
    assert recovery(fault, [login(41, REFUSED, right=False), login(42, ADMITTED)]) == 0.0
    assert recovery(fault, [login(41, REFUSED), login(42, ADMITTED)]) == 1.0
    assert recovery(fault, [login(43, ADMITTED, seconds=2.5), login(44, ADMITTED)]) == 3.0


def test_the_report_counts_all_logins_and_what_happened_to_those_without_an_answer() -> None:
    text = report(
        a_run(
            login(21, ADMITTED),
            login(22, ADMITTED, right=False),
            login(23, NO_ANSWER, detail="timeout"),
            login(24, NO_ANSWER, detail="timeout"),
        )
    )
    assert "3 faults, 4 logins" in text
    assert "- wrong verdicts: 1" in text
    assert "- right passwords: 3, not admitted: 2" in text
    assert "- 2 without an answer: timeout" in text
    assert "| 0 | 50.0 MB | 39 | 99.8 MB | 32 |" in text


def test_a_run_that_was_too_short_for_a_fault_has_a_report() -> None:
    assert "0 faults, 1 logins" in report(SoakRun(6.0, [login(1, ADMITTED)], [], [], 0))
