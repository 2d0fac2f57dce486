"""A Debian that runs: systemd is its first process, in namespaces of its own.

It has no network but its own loopback, so that its services need no free ports on this machine.
"""

import contextlib
import ctypes
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

START = 60.0  # seconds until systemd has started everything
CLONE_NEWNET = 0x40000000  # setns(2)
NAMESPACES = (
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"),
    *("--net", "--uts", "--ipc", "--cgroup"),
)
ENTER = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--root", "--wd")

# What systemd expects of a container. The devices are those of this machine.
BOOT = """
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
# Not chroot, within which no process can have a user namespace (PrivateUsers in a unit).
pivot_root . .
umount --lazy .
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
"""


class BootedDebian:
    """The Debian of a root that has the package ``systemd-sysv``, until the end of the ``with``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> Self:
        boot = [*NAMESPACES, "sh", "-euc", BOOT, "sh", str(self.root)]
        self._unshare = subprocess.Popen(
            boot, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        try:
            deadline = time.monotonic() + START
            while not self._is_running(children):
                assert time.monotonic() < deadline, f"{self.root} does not boot"
                time.sleep(0.2)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _is_running(self, children: Path) -> bool:
        pids = children.read_text().split()
        self._init = int(pids[0]) if pids else 0
        if not pids or Path(f"/proc/{self._init}/comm").read_text() != "systemd\n":
            return False
        state = self.shell("systemctl is-system-running || true").strip()
        return state in ("running", "degraded")

    def _stop(self) -> None:
        self._unshare.kill()  # all processes in its namespaces end with it
        self._unshare.wait()

    def shell(self, command: str, *, is_checked: bool = True) -> str:
        """The output of a shell command of root, errors included."""
        enter = ["nsenter", "--target", str(self._init), *ENTER, "--", "sh", "-c", command]
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        done = subprocess.run(
            enter,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not is_checked, f"{command}:\n{done.stdout}"
        return done.stdout

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Within it, the sockets of this thread, and of threads that it starts, are in there."""
        libc = ctypes.CDLL(None, use_errno=True)

        def enter(descriptor: int) -> None:
            if libc.setns(descriptor, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

        with (
            Path("/proc/thread-self/ns/net").open("rb") as own,
            Path(f"/proc/{self._init}/ns/net").open("rb") as other,
        ):
            enter(other.fileno())
            try:
                yield
            finally:
                enter(own.fileno())


def copy_root(base: Path, root: Path) -> None:
    """Copies a root; blocks are shared if the file system can do that."""
    subprocess.run(["cp", "--archive", "--reflink=auto", str(base), str(root)], check=True)
