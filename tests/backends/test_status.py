"""The status kind, against a real nginx: auth_basic, and auth_request before a page."""

import contextlib
import getpass
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from extauth_http.protocol.command import Command, Operation
from tests.decide import decide
from tests.e2e.ejabberd import free_ports
from tests.integration.service import Request, Service, answering, http
from tests.settings import settings_of

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")

CONFIG = """
{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port};
        location /page {{
            auth_basic "users"; auth_basic_user_file {folder}/users; root {folder};
        }}
        location /guarded {{
            auth_request /check;
            auth_request_set $owner $upstream_http_x_owner;
            add_header X-Owner $owner;
            root {folder};
        }}
        location /check {{ internal; proxy_pass {tokens}; proxy_pass_request_body off;
                           proxy_set_header Content-Length ""; }}
        location /moved {{ return 302 /page; }}
        location /broken {{ return 500; }}
    }}
}}
"""


class Tokens:
    """The service behind ``auth_request``: it names the owner of a token in a header."""

    def __init__(self) -> None:
        self.owners = {"alices-token": "alice", "bobs-token": "bob"}

    def __call__(self, request: Request, connection: Any) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        owner = self.owners.get(token)
        answer = http(200, "", f"X-Owner: {owner}") if owner else http(401)
        connection.sendall(answer)


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory, tokens: Tokens) -> Iterator[str]:
    if NGINX is None:
        pytest.skip("no nginx on this machine; `make test` as root installs Debian's")
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    (port,) = free_ports(1)
    users(folder, alice="wonderland")
    (folder / "page").write_text("hello")
    (folder / "guarded").write_text("hello")
    with Service(tokens) as service, running(folder, port, service.url):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def running(folder: Path, port: int, service: str) -> Iterator[None]:
    config = folder / "nginx.conf"
    # Its workers would be somebody who may not look into a folder of this test.
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    config.write_text(CONFIG.format(folder=folder, port=port, tokens=service, user=user))
    assert NGINX is not None
    with subprocess.Popen([NGINX, "-c", config, "-p", folder], stderr=subprocess.PIPE) as process:
        try:
            end = time.monotonic() + 10
            while True:
                with contextlib.suppress(httpx.TransportError):
                    httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                    break
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.02)
            yield
        finally:
            process.terminate()


def users(folder: Path, **passwords: str) -> None:
    """nginx reads this file at each request."""
    lines = [f"{name}:{{PLAIN}}{password}" for name, password in passwords.items()]
    draft = folder / "users.new"
    draft.write_text("\n".join(lines))
    draft.chmod(0o644)
    draft.rename(folder / "users")


def login(password: str, user: str = "alice", **backend: Any) -> tuple[str, str]:
    command = Command(Operation.AUTH, user, "example.org", password)
    answer = decide(command, kind="status", **backend).answer
    return answer.verdict.value, answer.reason


def test_the_status_of_nginx_is_the_verdict(nginx: str) -> None:
    url = f"{nginx}/page"
    assert login("wonderland", url=url) == ("allow", "allowed")
    assert login("wonder", url=url) == ("deny", "http_401")
    assert login("wonderland", user="bob", url=url) == ("deny", "http_401")


def test_a_changed_password_takes_effect_with_the_next_login(
    nginx: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = next(tmp_path_factory.getbasetemp().glob("nginx*"))
    users(folder, alice="changed")
    assert login("wonderland", url=f"{nginx}/page") == ("deny", "http_401")
    assert login("changed", url=f"{nginx}/page") == ("allow", "allowed")
    users(folder, alice="wonderland")


def test_a_token_behind_auth_request_is_accepted_for_its_owner_only(
    nginx: str, tokens: Tokens
) -> None:
    backend = {"url": f"{nginx}/guarded", "credential": "bearer", "username_header": "X-Owner"}
    assert login("alices-token", **backend) == ("allow", "allowed")
    assert login("bobs-token", **backend) == ("deny", "another_user")
    assert login("made-up", **backend) == ("deny", "http_401")
    del tokens.owners["alices-token"]
    assert login("alices-token", **backend) == ("deny", "http_401")


@pytest.mark.parametrize(
    ("place", "reason"),
    [("moved", "http_302"), ("broken", "http_500"), ("absent", "http_404")],
)
def test_any_other_status_is_undecided(nginx: str, place: str, reason: str) -> None:
    assert login("wonderland", url=f"{nginx}/{place}") == ("undecided", reason)


def test_without_nginx_a_login_is_undecided() -> None:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/"
    assert login("wonderland", url=url) == ("undecided", "connect_refused")


def test_a_response_that_names_no_owner_is_deny() -> None:
    backend: dict[str, Any] = {"credential": "bearer", "username_header": "X-Owner"}
    with Service(answering(http(200))) as service:
        assert login("a-token", url=service.url, **backend) == ("deny", "claim_empty")


@pytest.mark.parametrize(
    ("owners", "user", "verdict"),
    [
        ([b"alice", b"bob"], "alice", "deny"),
        ([b"alice", b"bob"], "bob", "deny"),
        ([b"alice", b"alice"], "alice", "allow"),
        (["jürgen".encode()], "jürgen", "allow"),
        (["jürgen".encode("latin-1")], "jürgen", "allow"),
        # The UTF-8 of jürgen, read as ISO 8859-1 and prepared.
        (["jürgen".encode()], "jã1\u20444rgen", "deny"),
    ],
)
def test_a_response_must_name_exactly_one_owner(
    owners: list[bytes], user: str, verdict: str
) -> None:
    named = b"".join(b"X-Owner: %b\r\n" % owner for owner in owners)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%b\r\n" % named
    backend: dict[str, Any] = {"credential": "bearer", "username_header": "X-Owner"}
    with Service(answering(answer)) as service:
        assert login("a-token", user=user, url=service.url, **backend)[0] == verdict


def test_a_configuration_that_would_accept_any_token_is_refused() -> None:
    with pytest.raises(ValueError, match="any token would let its bearer in as anyone"):
        login("x", url="http://127.0.0.1:1/", credential="bearer")


@pytest.mark.parametrize(
    "backend",
    [
        {"kind": "status", "credential": "bearer", "username_header": "X-Owner", "url": "{url}/x"},
        {"kind": "userinfo", "username_claim": "sub", "url": "{url}/x"},
    ],
)
def test_a_token_is_sent_with_the_scheme_that_the_service_reads(backend: dict[str, str]) -> None:
    def behave(request: Request, connection: Any) -> None:
        is_right = request.headers["authorization"] == "Token alices-token"
        connection.sendall(
            http(200, '{"sub": "alice"}', "X-Owner: alice") if is_right else http(401)
        )

    with Service(behave) as service:
        table: dict[str, Any] = {
            key: value.replace("{url}", service.url) for key, value in backend.items()
        }
        command = Command(Operation.AUTH, "alice", "example.org", "alices-token")
        assert decide(command, **table, scheme="Token").answer.verdict.name == "ALLOW"
        assert decide(command, **table).answer.verdict.name == "DENY"


@pytest.mark.parametrize("scheme", ["", "To ken", "Token:", "Bearer\r\nX: y"])
def test_a_scheme_that_no_header_can_hold_is_an_error(scheme: str) -> None:
    table = {"kind": "userinfo", "url": "http://127.0.0.1:1/x", "scheme": scheme}
    with pytest.raises(ValueError, match="expected the name of an authentication scheme"):
        settings_of(backend=table)


def test_a_scheme_without_a_token_is_an_error() -> None:
    table = {"kind": "status", "url": "http://127.0.0.1:1/x", "scheme": "Token"}
    with pytest.raises(ValueError, match='scheme: expected credential = "bearer" beside it'):
        settings_of(backend=table)


def test_a_name_with_a_colon_is_not_sent(nginx: str) -> None:
    user = r"alice\3awonder"  # with the password "land" this would be alice's own
    backend: dict[str, Any] = {"url": f"{nginx}/page", "jid_unescape": True}
    assert login("land", user=user, **backend) == ("deny", "unsafe_name")
