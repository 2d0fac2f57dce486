"""An MQTT 5 client that logs in, and notices whether its session is still open."""

import socket
import struct
from types import TracebackType
from typing import Self

CONNACK, PINGREQ, PINGRESP = 0x20, b"\xc0\x00", b"\xd0\x00"
SECONDS = 10.0


class MqttClient:
    """One connection to ``mod_mqtt``; it is closed at the end of ``with``.

    With a token, the authentication method is X-OAUTH2 (MQTT 5, section 4.12).
    """

    def __init__(self, port: int, jid: str, *, password: str = "", token: str = "") -> None:
        properties = b""
        if token:
            properties = b"\x15" + _text("X-OAUTH2") + b"\x16" + _text(token)
        flags = 0x82 | (0x40 if password else 0)
        body = _text("MQTT") + bytes([5, flags, 0, 30, len(properties)]) + properties
        body += _text("client") + _text(jid) + (_text(password) if password else b"")
        self._connection = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._connection.sendall(bytes([0x10, len(body)]) + body)
        reply = self._connection.recv(100)
        self.is_logged_in = len(reply) > 3 and reply[0] == CONNACK and reply[3] == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    def is_open(self) -> bool:
        """Whether the server replies to a ping."""
        try:
            self._connection.sendall(PINGREQ)
            return self._connection.recv(100) == PINGRESP
        except ConnectionError:
            return False


def mqtt_logs_in(port: int, jid: str, *, password: str = "", token: str = "") -> bool:
    with MqttClient(port, jid, password=password, token=token) as client:
        return client.is_logged_in


def _text(value: str) -> bytes:
    return struct.pack(">H", len(value)) + value.encode()
