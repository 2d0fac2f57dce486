"""The faults of the long run. Each one is over when its function returns."""

import contextlib
import os
import random
import resource
import signal
import socket
import time
from collections.abc import Callable

from tests.soak.machine import Machine, descriptors

Fault = Callable[[Machine], None]
PACKET = b"auth:user1:example.org:not the password"


def kill_worker(machine: Machine) -> None:
    os.kill(random.choice(machine.serving.workers()), signal.SIGKILL)


def kill_supervisor(machine: Machine) -> None:
    machine.serving.stop(signal.SIGKILL)
    time.sleep(1)
    machine.serving.start()


def restart_serve(machine: Machine) -> None:
    machine.serving.stop()
    machine.serving.start()


def reload(machine: Machine) -> None:
    machine.serving.process.send_signal(signal.SIGHUP)


def break_configuration(machine: Machine) -> None:
    config = machine.serving.config
    correct = config.read_text()
    config.write_text("[backend\n")
    reload(machine)
    time.sleep(3)
    config.write_text(correct)
    reload(machine)


def rotate_log(machine: Machine) -> None:
    log = machine.serving.log_file
    log.rename(f"{log}.1")


def pause_service(machine: Machine) -> None:
    machine.service.process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    machine.service.process.send_signal(signal.SIGCONT)


def hang_service(machine: Machine) -> None:
    machine.service.process.send_signal(signal.SIGSTOP)
    time.sleep(10)
    machine.service.process.send_signal(signal.SIGCONT)


def restart_service(machine: Machine) -> None:
    machine.service.kill()
    time.sleep(1)
    machine.service.start()


def move_service(machine: Machine) -> None:
    machine.service.move()


def renew_certificate(machine: Machine) -> None:
    machine.service.renew_certificate()


def fill_disk(machine: Machine) -> None:
    file = machine.disk / "everything-else"
    with contextlib.suppress(OSError), file.open("wb", buffering=0) as filling:
        while filling.write(bytes(65536)):
            pass
    time.sleep(5)
    file.unlink()


def no_descriptors(machine: Machine) -> None:
    """No process of ``serve`` can open a file. A new relay needs a connection at the same time."""
    limits = {}
    for pid in machine.serve_pids():
        limits[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        limit = (descriptors([pid]), limits[pid][1])
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    kill_relay(machine)
    time.sleep(3)
    for pid, limit in limits.items():
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)


def read_slowly(machine: Machine) -> None:
    """One more relay sends 5,000 packets and does not read the replies."""
    packets = (len(PACKET).to_bytes(2) + PACKET) * 5000
    with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(TimeoutError):
        connection.settimeout(5)
        connection.connect(str(machine.serving.socket))
        connection.sendall(packets)
        time.sleep(5)


def pause_relay(machine: Machine) -> None:
    relay = random.choice(machine.relays())
    os.kill(relay, signal.SIGSTOP)
    time.sleep(3)
    os.kill(relay, signal.SIGCONT)


def kill_relay(machine: Machine) -> None:
    os.kill(random.choice(machine.relays()), signal.SIGKILL)


FAULTS: dict[str, Fault] = {
    "kill -9 of a worker of `serve`": kill_worker,
    "kill -9 of `serve`, a new one after 1 s": kill_supervisor,
    "SIGTERM of `serve`, a new one at once": restart_serve,
    "SIGHUP of `serve`": reload,
    "broken configuration for 3 s": break_configuration,
    "log rotation": rotate_log,
    "service paused for 3 s": pause_service,
    "service hangs for 10 s": hang_service,
    "service killed, a new one after 1 s": restart_service,
    "service at another address": move_service,
    "renewed certificate": renew_certificate,
    "full log disk for 5 s": fill_disk,
    "no file descriptors for 3 s": no_descriptors,
    "slow reader": read_slowly,
    "relay paused for 3 s": pause_relay,
    "kill -9 of a relay": kill_relay,
}
