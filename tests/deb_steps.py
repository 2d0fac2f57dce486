"""The life of the Debian package on a Debian that runs, with a real ejabberd and real clients."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.booted_debian import BootedDebian
from tests.e2e.xmpp import logs_in
from tests.integration.service import NO, YES, Request, Service

JID = "alice@localhost"
CONFIG = "/etc/extauth-http/extauth-http.toml"
YML = "/etc/ejabberd/ejabberd.yml"
UNITS = ("extauth-http.socket", "extauth-http.service", "extauth-http-signals.service")
APT = "apt-get --quiet --yes"
PROGRAM = f"/usr/bin/extauth-http --config {CONFIG}"
RELAY = "/usr/bin/extauth-http relay"
LOGINS = 10
"""Logins before an upgrade, and after it."""

WAIT = 30.0
"""Seconds for what happens soon."""


@dataclass
class Server:
    """Debian's ejabberd, with the port that it has in every installation."""

    c2s_port: int = 5222


def only_alice(request: Request, connection: socket.socket) -> None:
    """Knows one user, with the password ``right``. A request about a user has no password."""
    asked = request.json()
    is_alice = asked["user"] == "alice" and asked.get("password", "right") == "right"
    connection.sendall(YES if is_alice else NO)


def accepts(password: str) -> bool:
    return logs_in(Server(), JID, password)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def continuous_logins() -> Iterator[list[bool]]:
    """One login after the other, until the end of the ``with``; whether each was accepted."""
    outcomes: list[bool] = []
    is_ended = threading.Event()

    def log_in() -> None:
        while not is_ended.is_set():
            outcomes.append(accepts("right"))

    thread = threading.Thread(target=log_in)
    thread.start()
    try:
        yield outcomes
    finally:
        is_ended.set()
        thread.join()


@dataclass(frozen=True)
class Steps:
    """The methods are in the order in which they run. `old` and `new` are packages in /root."""

    debian: BootedDebian
    service: Service
    old: str
    new: str

    def run(self) -> None:
        for step in (
            self.the_installation_starts_nothing_and_says_what_to_do,
            self.the_package_has_a_manual_page_a_completion_and_valid_files,
            self.a_client_logs_in_as_the_message_says,
            self.a_client_logs_in_through_serve,
            self.no_login_is_refused_during_an_upgrade,
            self.a_removed_package_leaves_its_configuration,
            self.a_purged_package_leaves_nothing,
        ):
            print(f"  {step.__name__.replace('_', ' ')}", flush=True)
            step()

    def the_installation_starts_nothing_and_says_what_to_do(self) -> None:
        ejabberd = self._main_process("ejabberd.service")
        shown = self._shell(f"{APT} install /root/{self.old}")
        for line in (
            "auth_method: [external]",
            f'extauth_program: "{PROGRAM}"',
            "auth_use_cache: false",
            f"extauth-http check --ejabberd-yml {YML}",
        ):
            assert f"   {line}\n" in shown, shown
        assert self._main_process("ejabberd.service") == ejabberd
        for unit in (*UNITS, "extauth-http-sweep.timer"):
            state = self._shell(f"systemctl is-enabled {unit}; systemctl is-active {unit} || true")
            assert state == "disabled\ninactive\n", (unit, state)
        assert self._shell(f"stat -c '%a %U %G' {CONFIG}") == "640 root ejabberd\n"

    def the_package_has_a_manual_page_a_completion_and_valid_files(self) -> None:
        page = self._shell("MANWIDTH=200 man --warnings=all extauth-http")
        assert "extauth-http user kick" in page
        assert "warning" not in page, page
        completion = "/usr/share/bash-completion/completions/extauth-http"
        words = "COMP_WORDS=(extauth-http us); COMP_CWORD=1; _shtab_extauth_http"
        shown = self._shell(f"bash -c '. {completion}; {words}; echo ${{COMPREPLY[@]}}'")
        assert shown == "user\n"
        self._shell("systemd-analyze verify extauth-http.service extauth-http-signals.service")
        self._shell("systemd-analyze verify extauth-http-sweep.timer")
        for account in ("extauth-http", "ejabberd"):
            log = f"/var/log/{account}/extauth-http.log"
            self._shell(f"runuser -u {account} -- sh -c 'echo line > {log}'")
            self._shell("logrotate --force /etc/logrotate.conf")
            assert self._shell(f"cat {log}.1") == "line\n"
        assert self._shell("extauth-http --version").startswith("extauth-http ")
        snippet = "profile ejabberd { include <abstractions/extauth-http> }"
        self._shell(f"echo '{snippet}' | apparmor_parser --skip-kernel-load --skip-cache")

    def a_client_logs_in_as_the_message_says(self) -> None:
        url = self.service.url.replace("localhost", "127.0.0.1")
        self._shell(f"sed -i 's|^url = .*|url = \"{url}\"|' {CONFIG}")
        self._shell(f"echo 'auth_method: [external]\nauth_use_cache: false' >> {YML}")
        self._use(PROGRAM)
        assert accepts("right")
        assert not accepts("wrong")
        shown = self._shell(f"extauth-http check --ejabberd-yml {YML} --host localhost || true")
        assert "extauth_program refuses a user that does not exist" in shown, shown
        assert f"ejabberd can read {CONFIG}" in shown, shown
        assert "It runs as ejabberd" in shown, shown
        assert "✘" not in shown, shown

    def a_client_logs_in_through_serve(self) -> None:
        self._shell("systemctl enable --now extauth-http.socket extauth-http.service")
        self._use(RELAY)
        assert accepts("right")
        assert not accepts("wrong")

    def no_login_is_refused_during_an_upgrade(self) -> None:
        before = self._shell(f"cat {CONFIG}; stat -c '%a %U %G %i' {CONFIG}")
        ejabberd = self._main_process("ejabberd.service")
        serve = self._main_process("extauth-http.service")
        with continuous_logins() as outcomes:
            wait_until(lambda: len(outcomes) >= LOGINS)
            shown = self._shell(f"{APT} install /root/{self.new}")
            assert self._main_process("extauth-http.service") not in (serve, "0")
            logins = len(outcomes)
            wait_until(lambda: len(outcomes) >= logins + LOGINS)
        assert all(outcomes), f"{outcomes.count(False)} of {len(outcomes)} logins were refused"
        print(f"    {len(outcomes)} logins, none was refused", flush=True)
        assert "Write the service into" not in shown, shown
        assert self._main_process("ejabberd.service") == ejabberd
        assert self._shell(f"cat {CONFIG}; stat -c '%a %U %G %i' {CONFIG}") == before
        assert self._state("extauth-http-signals.service") == "inactive"

    def a_removed_package_leaves_its_configuration(self) -> None:
        self._use(PROGRAM)
        ejabberd = self._main_process("ejabberd.service")
        configuration = self._shell(f"cat {CONFIG}")
        self._shell(f"{APT} remove extauth-http")
        assert self._shell(f"cat {CONFIG}") == configuration
        assert [self._state(unit) for unit in UNITS] == ["inactive"] * len(UNITS)
        assert self._main_process("ejabberd.service") == ejabberd
        self._shell("test ! -e /usr/bin/extauth-http && test ! -e /usr/lib/extauth-http")

    def a_purged_package_leaves_nothing(self) -> None:
        self._shell("echo secret > /etc/extauth-http/extauth-http.secret")
        self._shell(f"{APT} purge extauth-http")
        self._shell("rm /var/log/ejabberd/extauth-http.log*")  # of ejabberd
        names = "find / /run -xdev -iname '*extauth[-_]http*' -not -path '/root/*'"
        assert self._shell(names) == ""
        assert self._shell("getent passwd extauth-http; getent group extauth-http; true") == ""
        assert self._shell("systemctl list-unit-files 'extauth-http*' --no-legend; true") == ""

    def _use(self, program: str) -> None:
        """Changes the program in ejabberd.yml."""
        self._shell(f"sed -i '/^extauth_program:/d' {YML}")
        self._shell(f"echo 'extauth_program: \"{program}\"' >> {YML}")
        self._shell("ejabberdctl reload_config")
        wait_until(lambda: self._pool_members() == {f"/usr/bin/python3 -sP {program}"})

    def _pool_members(self) -> set[str]:
        processes = self._shell("ps -u ejabberd -o args").splitlines()
        return {each for each in processes if "/usr/bin/extauth-http" in each}

    def _shell(self, command: str) -> str:
        return self.debian.shell(command)

    def _main_process(self, unit: str) -> str:
        return self._shell(f"systemctl show --property MainPID --value {unit}").strip()

    def _state(self, unit: str) -> str:
        return self._shell(f"systemctl is-active {unit} || true").strip()
