"""One ``serve`` for many pool members keeps the promises."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.plugins import plugins
from tests.integration.program import (
    ALLOW,
    DENY,
    SECONDS,
    UNDECIDED,
    auth,
    rest,
)
from tests.integration.service import Service
from tests.service.processes import RelayProcess, ServeProcess, ask, connect, until


def test_each_of_many_members_gets_its_own_replies(serving: ServeProcess) -> None:
    def talk(number: int) -> list[bytes]:
        with RelayProcess(serving.socket) as member:
            return [member.ask(auth("right" if (number + i) % 3 else "wrong")) for i in range(30)]

    with ThreadPoolExecutor(12) as pool:
        for number, answers in enumerate(pool.map(talk, range(12))):
            assert answers == [ALLOW if (number + i) % 3 else DENY for i in range(30)]


def test_a_slow_member_delays_no_other(tmp_path: Path, service: Service) -> None:
    with ServeProcess(tmp_path, rest(service.url), workers=1) as serving:
        slow, quick = connect(serving), connect(serving)
        with slow, quick:
            slow.sendall(auth("slow"))
            for _ in range(50):
                assert ask(quick, auth()) == ALLOW
            slow.setblocking(False)
            with pytest.raises(BlockingIOError):
                slow.recv(100)
            slow.settimeout(SECONDS)
            assert slow.recv(100) == ALLOW


@pytest.mark.parametrize("does", ["unraisable", "thread"])
def test_an_uncaught_exception_prints_nothing(tmp_path: Path, does: str) -> None:
    config = f'[backend]\nkind = "noisy"\ndoes = "{does}"\n'
    with (
        ServeProcess(tmp_path, config, environment=plugins(tmp_path)) as serving,
        connect(serving) as connection,
    ):
        assert ask(connection, auth("hunter2")) == DENY
        assert serving.stop() == 0
        assert "Traceback" not in serving.stderr_file.read_text()


@pytest.mark.parametrize("closed", ["<&-", "<&- >&- 2>&-"])
def test_it_works_with_closed_standard_streams(
    tmp_path: Path, service: Service, closed: str
) -> None:
    wrapper = ("sh", "-c", f'exec "$@" {closed}', "sh")
    with (
        ServeProcess(tmp_path, rest(service.url), wrapper=wrapper) as serving,
        connect(serving) as connection,
    ):
        assert ask(connection, auth()) == ALLOW


def test_a_broken_configuration_means_undecided_until_it_is_fixed(
    tmp_path: Path, service: Service
) -> None:
    with ServeProcess(tmp_path, "nonsense = 1") as serving, connect(serving) as connection:
        assert ask(connection, auth()) == UNDECIDED
        serving.config.write_text(rest(service.url))
        until(lambda: ask(connection, auth()) == ALLOW)
