"""A small service for extauth-http: passwords and tokens of XMPP users in SQLite.

    token_service.py --db FILE adduser alice@example.org     (prompts for the password)
    token_service.py --db FILE issue alice@example.org       (prints a new token)
    token_service.py --db FILE revoke                        (prompts for the token)
    token_service.py --db FILE serve --port 8080

``serve`` implements the ``rest`` contract: ``POST /xmpp/OPERATION`` with JSON. The other commands
change the file, so a token cannot be issued over the network. Access to the file gives all rights;
it is created with access for its owner only. Nothing is kept in memory between requests, so a
change takes effect with the next request. All of it is in one file, so that it can be copied.
"""

import argparse
import asyncio
import contextlib
import getpass
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import argon2
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOKEN_PREFIX = "xt_"  # noqa: S105 - distinguishes a token from a password
MAX_REQUEST = 128 * 1024
MAX_SECONDS = 10.0
"""Time for a complete request to arrive."""

LOG = logging.getLogger("token_service")

PASSWORDS = argon2.PasswordHasher()
NOBODY = PASSWORDS.hash("nobody")
"""Verified if the user is unknown, so that the time does not show whether a user exists."""
HASHING = threading.BoundedSemaphore(os.cpu_count() or 1)
"""Limits the hashes that are computed at the same time, because each needs 64 MiB."""

SCHEMA = """
create table if not exists users (jid text primary key, password text not null);
create table if not exists tokens (
    hash blob primary key,
    jid text not null references users on delete cascade,
    expires real not null
);
"""


class Store:
    """The database file. Each call opens it again; SQLite serializes the writers."""

    def __init__(self, file: Path) -> None:
        self.file = file
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        with self._open() as database:
            # Readers do not wait for writers.
            database.execute("pragma journal_mode = wal")
            database.executescript(SCHEMA)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.file, timeout=5)
        try:
            database.execute("pragma foreign_keys = on")
            with database:
                yield database
        finally:
            database.close()

    def _changes(self, statement: str, *values: object) -> bool:
        with self._open() as database:
            return database.execute(statement, values).rowcount == 1

    def exists(self, jid: str) -> bool:
        with self._open() as database:
            return bool(database.execute("select 1 from users where jid = ?", [jid]).fetchone())

    def add(self, jid: str, password: str) -> bool:
        """Returns false if the user exists. Raises BadPasswordError."""
        hashed = _hash_password(password)
        return self._changes("insert or ignore into users values (?, ?)", jid, hashed)

    def set_password(self, jid: str, password: str) -> bool:
        """Sets the password and revokes all tokens of the user.

        Returns false if the user does not exist. Raises BadPasswordError.
        """
        hashed = _hash_password(password)
        with self._open() as database:
            database.execute("delete from tokens where jid = ?", [jid])
            changed = database.execute("update users set password = ? where jid = ?", [hashed, jid])
            return changed.rowcount == 1

    def remove(self, jid: str) -> bool:
        return self._changes("delete from users where jid = ?", jid)

    def issue(self, jid: str, seconds: float) -> str:
        """A new token. Raises KeyError for an unknown user."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        until = time.time() + seconds
        try:
            self._changes("insert into tokens values (?, ?, ?)", _hash(token), jid, until)
        except sqlite3.IntegrityError:
            raise KeyError(jid) from None
        return token

    def revoke(self, token: str) -> bool:
        return self._changes("delete from tokens where hash = ?", _hash(token))

    def is_right(self, jid: str, credential: str) -> bool:
        """Whether this is a valid token of this user, or the user's password."""
        with self._open() as database:
            if credential.startswith(TOKEN_PREFIX):
                found = database.execute(
                    "select 1 from tokens where hash = ? and jid = ? and expires > ?",
                    [_hash(credential), jid, time.time()],
                ).fetchone()
                return found is not None
            row = database.execute("select password from users where jid = ?", [jid]).fetchone()
        try:
            with HASHING:
                return PASSWORDS.verify(row[0] if row else NOBODY, credential) and row is not None
        except argon2.exceptions.VerifyMismatchError:
            return False


class BadRequestError(ValueError):
    """The request violates the contract. The response is 400, which is no verdict."""

    status = 400


class BadPasswordError(BadRequestError):
    """A password that cannot be used. The response is 422, which is a no."""

    status = 422


def _hash_password(password: str) -> str:
    # This is slow by design, so it must not happen while the file is locked.
    if not password:
        raise BadPasswordError("a password must not be empty")
    if password.startswith(TOKEN_PREFIX):
        raise BadPasswordError(f"a password must not start with {TOKEN_PREFIX}, because tokens do")
    with HASHING:
        return PASSWORDS.hash(password)


def _hash(token: str) -> bytes:
    # 256 random bits cannot be guessed, so a fast hash is safe.
    return hashlib.sha256(token.encode()).digest()


def application(store: Store, service_token: str | None = None) -> Starlette:
    """The web application. With ``service_token``, each request must have this bearer token."""

    def remove_if_right(jid: str, credential: str) -> bool:
        return store.is_right(jid, credential) and store.remove(jid)

    operations: dict[str, Callable[..., bool]] = {
        "auth": store.is_right,
        "isuser": store.exists,
        "setpass": store.set_password,
        "tryregister": store.add,
        "removeuser": store.remove,
        "removeuser3": remove_if_right,
        "certauth": lambda jid, certificate: False,
    }

    async def verdict(request: Request) -> Response:
        name = request.path_params["operation"]
        if service_token is not None:
            expected = f"Bearer {service_token}".encode()
            given = request.headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, expected):
                return JSONResponse({"error": "bearer token required"}, 401)
        if name not in operations:
            return JSONResponse({"error": "no such operation"}, 404)
        try:
            async with asyncio.timeout(MAX_SECONDS):
                arguments = _arguments(name, await _body(request))
            # Verifying a password is slow by design. Other requests must not wait for it.
            result = await run_in_threadpool(operations[name], *arguments)
        except TimeoutError:
            return JSONResponse({"error": "too slow"}, 408, {"Connection": "close"})
        except BadRequestError as error:
            return JSONResponse({"error": str(error)}, error.status)
        return JSONResponse({"result": result}, headers={"Cache-Control": "no-store"})

    async def answer(request: Request) -> Response:
        # The ID is in the logs of both sides. Other characters are removed, so that a client cannot
        # add a line to the log.
        given = request.headers.get("x-request-id", "")
        request_id = re.sub(r"[^A-Za-z0-9._-]", "", given)[:128]
        response = await verdict(request)
        name = request.path_params["operation"]
        line = (request_id or "-", name if name in operations else "-", response.status_code)
        LOG.info("request=%s operation=%s status=%d", *line)
        if request_id:
            response.headers["X-Request-ID"] = request_id
        return response

    return Starlette(routes=[Route("/xmpp/{operation}", answer, methods=["POST"])])


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_REQUEST:
            raise BadRequestError(f"the request has more than {MAX_REQUEST} bytes")
    return body


def _arguments(operation: str, body: bytes) -> list[str]:
    try:
        found = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise BadRequestError("expected JSON") from None
    if not isinstance(found, dict):
        raise BadRequestError("expected a JSON object")
    keys = ["user", "host"]
    if operation == "certauth":
        keys.append("certificate")
    elif operation not in ("isuser", "removeuser"):
        keys.append("password")
    for key in keys:
        if not isinstance(found.get(key), str) or not found[key]:
            raise BadRequestError(f"{key} must be a text that is not empty")
        if re.search("[\ud800-\udfff]", found[key]):
            raise BadRequestError(f"{key} must not contain half of a surrogate pair")
    user, host, *credential = (found[key] for key in keys)
    if "@" in host:
        # A user name may contain an @ (unescaped XEP-0106). If a host could contain one too, two
        # users could have the same JID.
        raise BadRequestError("host must be a domain without @")
    return [f"{user}@{host}", *credential]


def serve(store: Store, port: int, service_token: str | None) -> None:
    """Serves on loopback until it is interrupted, and prints the URL. Port 0 is any free port."""
    # asyncio disables Nagle's algorithm only for a socket with an explicit protocol. With Nagle's
    # algorithm, each response would be delayed by 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()  # Before the URL is printed, so that a client can connect at once.
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/xmpp", flush=True)
    config = uvicorn.Config(
        application(store, service_token), log_level=logging.WARNING, access_log=False
    )
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
    LOG.setLevel(logging.INFO)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(uvicorn.Server(config).serve([listener]))


def _secret(prompt: str) -> str:
    """Reads a secret from the terminal without echo, or from standard input."""
    return getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def main() -> str | None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--db", type=Path, required=True, help="the SQLite file")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("adduser", help="add a user; prompts for the password")
    add.add_argument("jid")
    issue = commands.add_parser("issue", help="print a new token of a user")
    issue.add_argument("jid")
    issue.add_argument("--seconds", type=float, default=30 * 86400.0, help="lifetime of the token")
    commands.add_parser("revoke", help="revoke a token; prompts for it")
    server = commands.add_parser("serve", help="answer extauth-http on loopback")
    server.add_argument("--port", type=int, default=8080, help="0 is any free port")
    server.add_argument(
        "--service-token-file",
        type=Path,
        help="file with the bearer token that each request must have",
    )
    arguments = parser.parse_args()
    store = Store(arguments.db)
    problem = None
    match arguments.command:
        case "adduser":
            try:
                if not store.add(arguments.jid, _secret("Password: ")):
                    problem = f"{arguments.jid} already exists"
            except BadPasswordError as error:
                problem = str(error)
        case "issue":
            try:
                print(store.issue(arguments.jid, arguments.seconds))
            except KeyError:
                problem = f"{arguments.jid} does not exist"
        case "revoke":
            if not store.revoke(_secret("Token: ")):
                problem = "the token does not exist"
        case _:
            file = arguments.service_token_file
            serve(store, arguments.port, file.read_text().strip() if file else None)
    return f"token_service.py: {problem}" if problem else None


if __name__ == "__main__":
    sys.exit(main())
