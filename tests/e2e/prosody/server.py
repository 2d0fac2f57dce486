"""A real Prosody for a test, with the module from ``examples/prosody``.

with Prosody(tmp_path / "prosody", socket_path) as server:
    assert logs_in(server, "ada@example.org", "secret")

It listens on loopback only and keeps everything in one folder.
"""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from tests.e2e.ejabberd import ENTER_ROOT, free_ports
from tests.e2e.installation import ROOT

PROSODY = ROOT / "usr/bin/prosody"
MODULE = Path(__file__).parents[3] / "examples" / "prosody" / "mod_auth_extauth_http.lua"
START = 30.0  # seconds until it must accept connections
STOP = 10.0  # seconds for an orderly end
COMPONENT = "gateway.example.org"
COMPONENT_SECRET = "component"

# The modules that Debian's prosody.cfg.lua enables, without those that need the network.
CONFIG = """
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
plugin_paths = {{ "{folder}/modules" }}
modules_enabled = {{
  "disco", "roster", "saslauth", "tls", "blocklist", "carbons", "pep", "private", "smacks",
  "vcard4", "vcard_legacy", "csi_simple", "ping", "register", "time", "uptime", "version", "posix",
  "admin_shell",
}}
admin_socket = "{folder}/admin.sock"
modules_disabled = {{ "s2s" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {c2s_port} }}
component_ports = {{ {component_port} }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
allow_registration = true
c2s_unauthed_stanza_size_limit = 131072
log = {{ debug = "{folder}/log/prosody.log" }}
authentication = "extauth_http"
extauth_http_socket = "{socket}"
{more}
VirtualHost "example.org"
Component "{component}"
  component_secret = "{secret}"
"""


class Prosody:
    """One Prosody that asks ``socket_path``, from ``with`` to its end. ``more`` are lines for its
    configuration."""

    def __init__(self, folder: Path, socket_path: Path, more: str = "") -> None:
        self.folder = folder
        self.c2s_port, self.component_port = free_ports(2)
        for name in ("modules", "data", "log"):
            (folder / name).mkdir(parents=True)
        shutil.copy(MODULE, folder / "modules")
        self._config = folder / "prosody.cfg.lua"
        self._config.write_text(
            CONFIG.format(
                folder=folder,
                socket=socket_path,
                c2s_port=self.c2s_port,
                component_port=self.component_port,
                component=COMPONENT,
                secret=COMPONENT_SECRET,
                more=more,
            )
        )

    def __enter__(self) -> Self:
        with (self.folder / "log" / "output").open("wb") as output:
            self._process = subprocess.Popen(
                self._words("/usr/bin/prosody", "-F"),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_started()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log(self) -> str:
        return (self.folder / "log" / "prosody.log").read_text(errors="replace")

    def control(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Runs ``prosodyctl`` on this server's configuration."""
        return subprocess.run(
            self._words("/usr/bin/prosodyctl", *words),
            cwd=self.folder,
            input=given,
            capture_output=True,
            text=True,
            timeout=START,
        )

    def _words(self, program: str, *arguments: str) -> list[str]:
        words = [program, "--config", str(self._config), *arguments]
        if Path("/") == ROOT:
            return words
        enter = ["sh", "-euc", ENTER_ROOT, "sh", str(ROOT), tempfile.gettempdir()]
        return ["unshare", "--mount", "--propagation", "private", *enter, *words]

    def _wait_until_started(self) -> None:
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.c2s_port), timeout=1).close()
                return
            time.sleep(0.05)
        output = (self.folder / "log" / "output").read_text(errors="replace")
        raise RuntimeError(f"Prosody did not start (exit code {self._process.poll()})\n{output}")
