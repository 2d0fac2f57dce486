"""``python -m tests.soak [MINUTES]``: logins at 50/s with a fault every 20 s. Default: an hour.

Writes the report to ``.cache/soak.md``. Exit status 1 means that a wrong password was admitted or
that ejabberd restarted.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from itertools import cycle
from pathlib import Path
from typing import IO

from tests.soak.clients import Login, Result
from tests.soak.faults import FAULTS
from tests.soak.machine import Machine, descriptors, machine, megabytes
from tests.soak.report import FaultRun, Sample, SoakRun, report

RATE = 50.0
FAULT_SECONDS = 20.0
QUIET_SECONDS = 20.0
"""The time after the last fault, for logins that are still on their way."""

REPORT = Path(".cache/soak.md")


def collect(lines: IO[str], logins: list[Login]) -> None:
    for line in lines:
        login = json.loads(line)
        logins.append(Login(**{**login, "result": Result(login["result"])}))


def sample(running: Machine, minute: int) -> Sample:
    serve, relays = running.serve_pids(), running.relays()
    return Sample(
        minute, megabytes(serve), descriptors(serve), megabytes(relays), relays=len(relays)
    )


def soak(running: Machine, seconds: float) -> SoakRun:
    """Runs the faults in turn. Ctrl-C ends the run early; the report covers what was done."""
    logins: list[Login] = []
    faults: list[FaultRun] = []
    samples = [sample(running, 0)]
    begin, restarts, last_uptime = time.monotonic(), 0, 0.0
    command = [sys.executable, "-m", "tests.soak.clients", str(running.server.c2s_port), str(RATE)]
    clients = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert clients.stdout is not None
    collector = threading.Thread(target=collect, args=(clients.stdout, logins), daemon=True)
    collector.start()
    try:
        time.sleep(QUIET_SECONDS)
        for name, fault in cycle(FAULTS.items()):
            now = time.monotonic()
            if now - begin > seconds - FAULT_SECONDS:
                break
            print(f"{now - begin:6.0f} s  {len(logins):7,} logins  {name}", flush=True)
            try:
                fault(running)
            except (OSError, AssertionError):
                traceback.print_exc()  # the other faults still count
            faults.append(FaultRun(name, now, time.monotonic()))
            time.sleep(max(0.0, now + FAULT_SECONDS - time.monotonic()))
            uptime = running.ejabberd_uptime()
            restarts += uptime < last_uptime
            last_uptime = uptime
            if (time.monotonic() - begin) // 60 >= len(samples):
                samples.append(sample(running, len(samples)))
        time.sleep(QUIET_SECONDS)
    except KeyboardInterrupt:
        print("ended by Ctrl-C")
    finally:
        clients.kill()
        clients.wait()
        collector.join()
    samples.append(sample(running, len(samples)))
    return SoakRun(time.monotonic() - begin, logins, faults, samples, restarts)


def main() -> None:
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, machine(Path(folder)) as running:
        run = soak(running, minutes * 60)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(report(run))
    print(report(run))
    sys.exit(not run.is_correct)


if __name__ == "__main__":
    main()
