"""Something that plays ``mod_http_api`` over a real socket, with answers that real ones gave."""

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.service import Request, Service, http

STATUS = {
    (23, 1): "The node n@h is started. Status: startedejabberd 23.01-1 is running in that node",
    (24, 2): "The node n@h is started. Status: started\nejabberd 24.02 is running in that node",
    (24, 12): "The node n@h is started. Status: started\nejabberd 24.12-3+deb13u2 is running",
    (26, 7): "The node n@h is started. Status: started\nejabberd 26.07 is running in that node",
}
SESSION = {
    "connection": "c2s_tls",
    "ip": "::FFFF:192.0.2.7",
    "port": 44698,
    "priority": 0,
    "node": "n@h",
    "uptime": 60,
    "status": "available",
    "resource": "phone",
    "statustext": "",
}
NOT_FOUND = {"status": "error", "code": 40, "message": "Endpoint not found."}
FORBIDDEN = {"status": "error", "code": 32, "message": "AccessRules: Account does not have …"}
UNAUTHORIZED = {"status": "error", "code": 10, "message": "You are not authorized to call this."}


@dataclass(frozen=True)
class Call:
    """One call: the path below the API and the arguments."""

    path: str
    arguments: dict[str, Any]
    headers: dict[str, str]


@dataclass(frozen=True)
class Refusal:
    """An answer with another status than 200."""

    status: int
    said: Any


Answer = Any | Refusal | bytes | Callable[[dict[str, Any]], Any]


class Scripted:
    """Answers each path with what is written for it; ``calls`` is what came in, ``status`` aside.

    Bytes are sent as they are; no bytes close the connection without an answer.
    """

    def __init__(self, release: tuple[int, int] | None, answers: Mapping[str, Answer]) -> None:
        self.answers: dict[str, Answer] = {
            "status": STATUS[release] if release else Refusal(403, FORBIDDEN),
            "registered_vhosts": ["example.org"],
            "check_account": 0,
            **answers,
        }
        self.calls: list[Call] = []

    def paths(self) -> list[str]:
        return [call.path for call in self.calls]

    def __call__(self, request: Request, connection: socket.socket) -> None:
        path = request.target.partition("/api/")[2]
        arguments = json.loads(request.body)
        if path != "status":
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.calls.append(Call(path, arguments, headers))
        answer = self.answers.get(path, Refusal(404, NOT_FOUND))
        if callable(answer):
            answer = answer(arguments)
        if isinstance(answer, bytes):
            connection.sendall(answer)
            if not answer:
                connection.shutdown(socket.SHUT_RDWR)
            return
        status, said = (
            (answer.status, answer.said) if isinstance(answer, Refusal) else (200, answer)
        )
        body = json.dumps(said)
        connection.sendall(http(status, body, "Content-Type: application/json"))


def configured(folder: Path, service: Service, more: str = "") -> str:
    """The path of a configuration that names this one's API."""
    file = folder / "operator.toml"
    file.write_text(f'[ejabberd]\napi = "http://127.0.0.1:{service.port}/api"\n{more}\n')
    return str(file)
