"""Which pool member ejabberd asks: the next one in a fixed order, and other work skips members.

``extauth_http.ejabberd_pool`` simulates this.
"""

import shlex
import sys
import time
from pathlib import Path

import pytest

from extauth_http.ejabberd_pool import STEPS
from tests.e2e.ejabberd import Ejabberd, out_of
from tests.e2e.installation import ROOT
from tests.e2e.raw_stream import logged_in

pytestmark = pytest.mark.e2e
POOL = 7
MOST_QUESTIONS = 40 * POOL
TRIES = 5
HOST, OTHER_HOST = "example.org", "example.net"
RECORDS_ITS_PROCESS = """
import os, sys
while packet := os.read(0, 65_537):
    with open(sys.argv[1], "a") as file:
        print(os.getpid(), file=file)
    os.write(1, bytes([0, 2, 0, 1]))
"""


class Members:
    """The pool members of a server, in the order in which they are asked."""

    def __init__(self, server: Ejabberd, asked: Path) -> None:
        self._server = server
        self._asked = asked
        self.round = self._quiet_round()

    def steps_since_last_question(self) -> int:
        """By how many members the next question is ahead of the last one."""
        self._ask()
        *_, before, now = (self.round.index(process) for process in self._processes())
        return (now - before) % POOL

    def _quiet_round(self) -> list[str]:
        """Asks until all members have been asked three times in the same order.

        Before, the connections that waited for the start of the server may still end.
        """
        for _ in range(MOST_QUESTIONS):
            self._ask()
            last = self._processes()[-3 * POOL :]
            if len(set(last[:POOL])) == POOL and last == 3 * last[:POOL]:
                return last[:POOL]
        raise AssertionError("the members do not take turns")

    def _ask(self) -> None:
        assert self._server.check_password("alice", HOST, "good")

    def _processes(self) -> list[str]:
        return self._asked.read_text().split()


def test_members_take_turns_and_other_work_skips_them(tmp_path: Path) -> None:
    script, asked = tmp_path / "program.py", tmp_path / "asked"
    script.write_text(RECORDS_ITS_PROCESS)
    program = [sys.executable, "-S", "-E", str(script)]
    other = out_of(ROOT, shlex.join([*program, str(tmp_path / "asked of the other host")]))
    options = {"host_config": {OTHER_HOST: {"extauth_program": other, "extauth_pool_size": 1}}}
    line = shlex.join([*program, str(asked)])
    hosts = [HOST, OTHER_HOST]
    with Ejabberd(line, hosts=hosts, extauth_pool_size=POOL, options=options) as server:
        members = Members(server, asked)
        assert len(server.program_pids()) == POOL + 1  # each host has a pool of its own
        # Other work of the server can only add steps, so the fewest of some tries are counted.
        others, sessions, ends = [], [], []
        for _ in range(TRIES):
            assert server.check_password("alice", OTHER_HOST, "good")
            others.append(members.steps_since_last_question())
            with logged_in(server.c2s_port, HOST, "alice", "good"):
                sessions.append(members.steps_since_last_question())
            ends.append(steps_after_an_end(members))
        assert min(others) == 2
        # The question of the login was one step; the session and the next question are two.
        assert min(sessions) == 2
        assert min(ends) == STEPS - 1


def steps_after_an_end(members: Members) -> int:
    """The steps to the next question, once ejabberd has noticed that a connection has ended."""
    for _ in range(100):
        steps = members.steps_since_last_question()
        if steps > 1:
            return steps
        time.sleep(0.05)
    return steps
