"""Child processes are found, and ended with all that they started."""

import os
import subprocess
import sys

from extauth_http.check.program.child_processes import child_processes, end_child_processes

STARTS_ANOTHER = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"


def test_only_the_other_children_are_ended() -> None:
    before = child_processes()
    with subprocess.Popen(["sleep", "60"]) as kept:
        ended = subprocess.Popen(["sleep", "60"])
        assert child_processes() == before | {kept.pid, ended.pid}
        assert end_child_processes(except_for=before | {kept.pid}) == 1
        assert child_processes() == before | {kept.pid}
        assert kept.poll() is None
        kept.kill()
    ended.returncode = -9  # it is reaped already


def test_a_child_that_has_exited_is_not_counted() -> None:
    before = child_processes()
    ended = subprocess.Popen(["true"], stdout=subprocess.PIPE)
    assert ended.stdout
    ended.stdout.read()
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    assert end_child_processes(except_for=before) == 0
    ended.returncode = 0
    ended.stdout.close()


def test_orphans_are_ended_as_well() -> None:
    code = f"""
import subprocess, sys
from extauth_http.check.program.child_processes import *
set_child_subreaper(True)
parent = subprocess.Popen([sys.executable, "-c", {STARTS_ANOTHER!r}])
while not open(f"/proc/{{parent.pid}}/task/{{parent.pid}}/children").read():
    pass
parent.returncode = -9
print(end_child_processes(except_for=set()), child_processes())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "2 set()\n"
