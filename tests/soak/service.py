"""The service of the long run, over HTTPS: ``python -m tests.soak.service ADDRESS PORT PEM``.

The password of ``user7`` is ``secret of user7``. The response takes 20 ms. SIGHUP reads the
certificate again and closes all connections, so the next request sees the new one.
"""

import asyncio
import json
import signal
import ssl
import sys

ANSWER_SECONDS = 0.02


def password_of(user: str) -> str:
    return f"secret of {user}"


class PasswordService:
    def __init__(self, certificate: str) -> None:
        self._certificate = certificate
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._connections: set[asyncio.StreamWriter] = set()

    async def run(self, address: str, port: int) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._new_certificate)
        server = await asyncio.start_server(self._serve, address, port, ssl=self._context)
        await server.serve_forever()

    def _new_certificate(self) -> None:
        self._context.load_cert_chain(self._certificate)
        for connection in self._connections:
            connection.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                question = json.loads(await reader.readexactly(int(length)))
                await asyncio.sleep(ANSWER_SECONDS)
                right = question["password"] == password_of(question["user"])
                body = b"true" if right else b"false"
                head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                writer.write(head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()


if __name__ == "__main__":
    asyncio.run(PasswordService(sys.argv[3]).run(sys.argv[1], int(sys.argv[2])))
