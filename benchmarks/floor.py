"""The floor for machines without a C compiler: the same as ``floor.c``, on raw sockets."""

import os
import socket
import sys

service = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
service.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
BODY = b'{"user": "alice", "host": "example.org", "password": "right"}'
REQUEST = (
    b"POST /auth HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
while os.read(0, 65_536):
    service.sendall(REQUEST)
    service.recv(65_536)
    os.write(1, b"\0\2\0\1")
