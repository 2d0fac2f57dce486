"""A demonstration: a token is accepted, revoked, refused at the next packet, and replaced.

It starts the token service on a free loopback port and runs the real program as ejabberd does. At
the end it removes everything that it created.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from examples.token_service import Store

from extauth_http.protocol.command import Command, Operation
from extauth_http.protocol.packet_parser import packet

HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).parent / "extauth-http"
ANSWERS = {b"\0\2\0\1": "allow", b"\0\2\0\0": "deny", b"\0\2\0\2": "undecided"}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="extauth-http-demo-") as folder:
        store = Store(Path(folder) / "tokens.db")
        store.add("alice@example.org", "correct horse: battery staple")
        with service(store) as url:
            environment = {
                **{k: v for k, v in os.environ.items() if not k.startswith("EXTAUTH_HTTP_")},
                "EXTAUTH_HTTP_CONFIG": str(config(Path(folder), url)),
            }
            print_title("1. A replay file through the real program")
            replayed = subprocess.run(
                [PROGRAM, "replay", HERE / "session.replay"], env=environment, check=False
            )
            print_title("2. One program, packet after packet, as ejabberd sends them")
            as_expected = freshness(store, environment)
    print_title("3. For your ejabberd.yml (complete file: examples/ejabberd.yml)")
    for line in (HERE / "ejabberd.yml").read_text().splitlines():
        if line.startswith(("auth_", "extauth_")):
            print(f"   {line}")
    return 0 if replayed.returncode == 0 and as_expected else 1


def freshness(store: Store, environment: dict[str, str]) -> bool:
    """Issues, revokes and replaces a token, with a login after each step. False if one is wrong."""
    first = store.issue("alice@example.org", 3600)
    with subprocess.Popen(
        [PROGRAM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as program:
        assert program.stdin is not None  # noqa: S101 - for the type checker
        assert program.stdout is not None  # noqa: S101

        def log_in(step: str, token: str, expected: str) -> bool:
            program.stdin.write(packet(Command(Operation.AUTH, "alice", "example.org", token)))  # type: ignore[union-attr]
            verdict = ANSWERS.get(program.stdout.read(4), "no reply")  # type: ignore[union-attr]
            print(f"   {step:<42} {verdict}{'' if verdict == expected else f', not {expected}!'}")
            return verdict == expected

        right = [log_in("alice logs in with her token", first, "allow")]
        store.revoke(first)
        right.append(log_in("the token is revoked; the next login", first, "deny"))
        second = store.issue("alice@example.org", 3600)
        right.append(log_in("a new token, at once", second, "allow"))
        program.stdin.close()
    return all(right)


def config(folder: Path, url: str) -> Path:
    file = folder / "extauth-http.toml"
    log = folder / "extauth-http.log"
    file.write_text(f'[log]\nfile = "{log}"\n\n[backend]\nkind = "rest"\nurl = "{url}"\n')
    return file


@contextlib.contextmanager
def service(store: Store) -> Iterator[str]:
    """Runs the token service on a free port and gives its URL."""
    script = str(HERE / "token_service.py")
    command = [sys.executable, script, "--db", str(store.file), "serve", "--port", "0"]
    with (
        store.file.with_suffix(".log").open("wb") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - for the type checker
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def print_title(title: str) -> None:
    width = min(shutil.get_terminal_size().columns, 80)
    print(f"\n{title}\n{'─' * min(width, len(title))}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
