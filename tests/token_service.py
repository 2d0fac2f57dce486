"""The example token service as a process for tests."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from examples.token_service import Store

SCRIPT = Path(__file__).parent.parent / "examples" / "token_service.py"


@dataclass(frozen=True)
class TokenService:
    """``url`` is the URL for the configuration. The methods change the database."""

    url: str
    db: Path

    def run(self, *arguments: str, secret: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(SCRIPT), "--db", str(self.db), *arguments],
            input=f"{secret}\n",
            capture_output=True,
            text=True,
            check=False,
        )

    def add(self, jid: str, password: str) -> None:
        assert Store(self.db).add(jid, password)

    def remove(self, jid: str) -> None:
        assert Store(self.db).remove(jid)

    def issue(self, jid: str, seconds: float = 3600) -> str:
        return Store(self.db).issue(jid, seconds)

    def revoke(self, token: str) -> None:
        assert Store(self.db).revoke(token)


@contextlib.contextmanager
def token_service(folder: Path, *options: str, port: int = 0) -> Iterator[TokenService]:
    """Runs the service on a free loopback port, with its database in ``folder``."""
    db = folder / "tokens.db"
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--db", str(db), "serve", "--port", str(port), *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout:
        try:
            yield TokenService(process.stdout.readline().strip(), db)
        finally:
            process.kill()
