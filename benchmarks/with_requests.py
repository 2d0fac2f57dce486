"""A simple script with requests. The argument is the port of the service."""

import sys

import requests

session = requests.Session()
service = f"http://127.0.0.1:{sys.argv[1]}"
stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
while length := stdin.read(2):
    operation, user, host, password = stdin.read(int.from_bytes(length)).decode().split(":", 3)
    fields = {"user": user, "host": host, "password": password}
    try:
        allowed = (
            session.post(f"{service}/{operation}", json=fields, timeout=8).json()["result"] is True
        )
    except Exception:
        allowed = False
    stdout.write(b"\0\2\0" + bytes([allowed]))
    stdout.flush()
