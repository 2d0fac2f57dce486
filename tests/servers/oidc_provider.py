"""A real OpenID provider, oidc-provider for Node.js, as a process for tests.

npm installs it into ``.cache/oidc-provider`` when a test needs it for the first time.
"""

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_suffix(".mjs")
CACHE = Path(__file__).parents[2] / ".cache" / "oidc-provider"
PACKAGE = "oidc-provider@9"


class NoProviderError(Exception):
    """Node.js or the package is not available; the message is the reason."""


@dataclass(frozen=True)
class OidcProvider:
    """A provider that runs, with the clients ``RS256``, ``ES256`` and ``HS256``."""

    issuer: str
    process: "subprocess.Popen[str]"

    def issue(self, user: str, client: str, audience: str) -> str:
        """A signed access token of a user for this audience."""
        issued: str = self._ask(client=client, sub=user, audience=audience)["token"]
        return issued

    def destroy(self, token: str) -> None:
        """Ends a token that was issued for the audience ``opaque``."""
        self._ask(destroy=token)

    def log_out(self, user: str, client: str) -> str | None:
        """Sends a logout token to the client. Returns the error of the provider, if any."""
        error: str | None = self._ask(client=client, sub=user)["error"]
        return error

    def _ask(self, **command: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        # The package prints notices to the same stream.
        line = next(line for line in self.process.stdout if line.startswith("{"))
        return json.loads(line)


@contextlib.contextmanager
def oidc_provider(logout_uri: str, secret: str, stderr: Path) -> Iterator[OidcProvider]:
    """Runs the provider. ``secret`` is that of each client. Raises NoProviderError."""
    _install()
    # Node.js looks for packages in the folders above the script.
    script = CACHE / SCRIPT.name
    script.write_text(SCRIPT.read_text())
    with (
        stderr.open("wb") as errors,
        subprocess.Popen(
            ["node", str(script), logout_uri, secret],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, stderr.read_text()
        try:
            yield OidcProvider(json.loads(first)["issuer"], process)
        finally:
            process.terminate()


def _install() -> None:
    if not shutil.which("node") or not shutil.which("npm"):
        raise NoProviderError("Node.js and npm are not installed")
    if (CACHE / "node_modules" / "oidc-provider").is_dir():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    words = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(CACHE), PACKAGE]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise NoProviderError(f"npm cannot install {PACKAGE}")
