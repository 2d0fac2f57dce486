"""A simple script with httpx. The argument is the port of the service."""

import sys

import httpx

client = httpx.Client(base_url=f"http://127.0.0.1:{sys.argv[1]}", timeout=8)
stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
while length := stdin.read(2):
    operation, user, host, password = stdin.read(int.from_bytes(length)).decode().split(":", 3)
    fields = {"user": user, "host": host, "password": password}
    try:
        allowed = client.post(f"/{operation}", json=fields).json()["result"] is True
    except Exception:
        allowed = False
    stdout.write(b"\0\2\0" + bytes([allowed]))
    stdout.flush()
