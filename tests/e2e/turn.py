"""A TURN client (RFC 8656) that only asks for an allocation."""

import hashlib
import hmac
import os
import socket
import struct

ALLOCATE, ALLOCATED = 0x0003, 0x0103
USERNAME, INTEGRITY, REALM, NONCE, TRANSPORT = 0x0006, 0x0008, 0x0014, 0x0015, 0x0019
COOKIE = 0x2112A442
UDP = bytes([17, 0, 0, 0])


def can_allocate(port: int, username: str, password: str) -> bool:
    """Whether a relay on loopback allocates an address for these credentials."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect(("127.0.0.1", port))
        _, challenge = _ask(client, _attribute(TRANSPORT, UDP), None)
        realm, nonce = challenge[REALM], challenge[NONCE]
        attributes = _attribute(TRANSPORT, UDP) + _attribute(USERNAME, username.encode())
        attributes += _attribute(REALM, realm) + _attribute(NONCE, nonce)
        text = f"{username}:{realm.decode()}:{password}".encode()
        kind, _ = _ask(client, attributes, hashlib.md5(text, usedforsecurity=False).digest())
        return kind == ALLOCATED


def _ask(
    client: socket.socket, attributes: bytes, key: bytes | None
) -> tuple[int, dict[int, bytes]]:
    signed = 24 if key else 0
    head = struct.pack(">HHI", ALLOCATE, len(attributes) + signed, COOKIE) + os.urandom(12)
    message = head + attributes
    if key:
        message += _attribute(INTEGRITY, hmac.digest(key, message, "sha1"))
    client.send(message)
    answer = client.recv(2048)
    (kind,) = struct.unpack_from(">H", answer)
    found: dict[int, bytes] = {}
    at = 20
    while at < len(answer):
        name, size = struct.unpack_from(">HH", answer, at)
        found[name] = answer[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4
    return kind, found


def _attribute(name: int, value: bytes) -> bytes:
    return struct.pack(">HH", name, len(value)) + value + bytes(-len(value) % 4)
