"""A login form served by Python's own HTTP server, which sends head and body separately."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


class FormLogin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        form = parse_qs(self.rfile.read(length).decode(), strict_parsing=True)
        right = form["username"] == ["alice"] and form["password"] == ["wonder:land & ü"]
        body = b"see the other page"
        self.send_response(302)
        self.send_header("Location", "/account" if right else "/login?error=1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), FormLogin)
    print(server.server_port, flush=True)
    server.serve_forever()
