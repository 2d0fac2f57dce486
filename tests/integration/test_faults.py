"""Faults of the service and of the way to it: the verdict and the reason of each."""

import gzip
import socket
import ssl
import time
from pathlib import Path

import pytest

from tests.integration.certificates import Certificates
from tests.integration.program import ALLOW, DENY, UNDECIDED, Program, auth, rest
from tests.integration.service import (
    RESET_ON_CLOSE,
    YES,
    Behaviour,
    Request,
    Service,
    answering,
    http,
    sending,
    silent,
)


def resetting(_: Request, connection: socket.socket) -> None:
    """Sends half a response and resets the connection."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    raise OSError  # the service closes the connection, which resets it


LONG = "hunter2" * 8000
PACKED = gzip.compress(b"true" + b" " * 50_000_000)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HTML = "<!doctype html><title>Log in</title>"

ANSWERS: dict[str, tuple[Behaviour, str]] = {
    "nothing and closed": (sending(b""), "connection_lost"),
    "reset in mid-body": (resetting, "connection_lost"),
    "closed in mid-body": (
        sending(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntrue"),
        "connection_lost",
    ),
    "closed in mid-headers": (sending(b"HTTP/1.1 200 OK\r\nContent-Le"), "connection_lost"),
    "500": (answering(http(500, "true")), "http_500"),
    "503": (answering(http(503)), "http_503"),
    "429": (answering(http(429, "", "Retry-After: 1")), "http_429"),
    "302": (answering(http(302, "", "Location: /x/yes")), "http_302"),
    "307": (answering(http(307, "", "Location: /x/yes")), "http_307"),
    "a login page": (answering(http(200, HTML, "Content-Type: text/html")), "not_an_answer"),
    "JSON that says neither": (answering(http(200, '{"ok": true}')), "not_an_answer"),
    "broken JSON": (answering(http(200, '{"result": tr')), "not_an_answer"),
    "10 MB": (answering(http(200, b"true" + b" " * 10_000_000)), "too_large"),
    "10 MB in chunks": (
        sending(CHUNKED + b"100000\r\n" + b" " * 0x100000 + b"\r\n"),
        "too_large",
    ),
    "a compression bomb": (
        answering(http(200, PACKED, "Content-Encoding: gzip")),
        "content_encoding",
    ),
    "broken chunks": (sending(CHUNKED + b"zz\r\ntrue\r\n0\r\n\r\n", then_close=False), "bad_http"),
    "not HTTP": (sending(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", then_close=False), "bad_http"),
    "endless headers": (sending(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200_000), "too_large"),
}


@pytest.mark.parametrize("fault", ANSWERS)
def test_a_faulty_response_is_undecided_with_its_reason(tmp_path: Path, fault: str) -> None:
    behave, reason = ANSWERS[fault]
    with Service(behave) as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth("hunter2")) == UNDECIDED
        assert program.reasons() == [reason]
        service.behave = answering(YES)
        assert program.ask(auth("hunter2")) == ALLOW
        program.logged(count=2)
        written = program.log_file.read_text() + program.stderr()
    assert len(written.splitlines()) == 3
    assert "hunter2" not in written


def test_a_refused_connection_is_undecided(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with Program(tmp_path, rest(f"http://127.0.0.1:{port}/")) as program:
        assert program.ask(auth()) == UNDECIDED
        assert program.reasons() == ["connect_refused"]


def test_a_name_that_does_not_resolve_is_undecided(tmp_path: Path) -> None:
    with Program(tmp_path, rest("http://nowhere.invalid/")) as program:
        assert program.ask(auth()) == UNDECIDED
        assert program.reasons() == ["name_not_found"]


@pytest.mark.parametrize(
    ("which", "detail"),
    [
        ("expired", "localhost: certificate has expired"),
        ("self_signed", "localhost: self-signed certificate"),
        ("unknown", "localhost: unable to get local issuer certificate"),
        ("other_name", "localhost: Hostname mismatch, certificate is not valid for 'localhost'."),
    ],
)
def test_an_invalid_certificate_is_undecided(
    tmp_path: Path, certs: Certificates, which: str, detail: str
) -> None:
    context: ssl.SSLContext = getattr(certs, which)
    tls = f'[backend.tls]\nca_file = "{certs.ca_file}"'
    with Service(tls=context) as service, Program(tmp_path, rest(service.url, tls)) as program:
        assert program.ask(auth("hunter2")) == UNDECIDED
        (event,) = program.logged()
        assert (event["reason"], event["detail"]) == ("tls", detail)
        assert service.requests == []


def test_a_valid_certificate_is_accepted(tmp_path: Path, certs: Certificates) -> None:
    tls = f'[backend.tls]\nca_file = "{certs.ca_file}"'
    with (
        Service(tls=certs.good) as service,
        Program(tmp_path, rest(service.url, tls)) as program,
    ):
        assert [program.ask(auth()) for _ in range(3)] == [ALLOW] * 3
        assert len(service.connections) == 1


def test_a_certificate_of_an_unknown_authority_is_undecided(
    tmp_path: Path, certs: Certificates
) -> None:
    with (
        Service(tls=certs.good) as service,
        Program(tmp_path, rest(service.url)) as program,
    ):
        assert program.ask(auth()) == UNDECIDED
        assert program.reasons() == ["tls"]


def test_a_client_certificate_is_sent_on_request(tmp_path: Path, certs: Certificates) -> None:
    tls = f'[backend.tls]\nca_file = "{certs.ca_file}"\n'
    wants = certs.wants_client
    with Service(tls=wants) as service, Program(tmp_path, rest(service.url, tls)) as program:
        assert [program.ask(auth()) for _ in range(10)] == [UNDECIDED] * 10
        assert program.reasons(10) == ["tls"] * 10
        program.write_config(rest(service.url, f'{tls}client_cert = "{certs.client_file}"'))
        assert program.ask(auth()) == ALLOW


FAULTS = 150


def refusing() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"http://127.0.0.1:{found.getsockname()[1]}/"


@pytest.mark.parametrize("fault", ["refused", "no name", "expired", "plain", "silent", *ANSWERS])
def test_no_fault_leaves_a_descriptor_or_a_thread_behind(
    tmp_path: Path, certs: Certificates, fault: str
) -> None:
    tls = {"expired": certs.expired}.get(fault)
    behave = ANSWERS[fault][0] if fault in ANSWERS else answering(YES)
    if fault == "silent":
        behave = silent
    with Service(behave, tls) as service:
        url = {
            "refused": refusing(),
            "no name": "http://nowhere.invalid/",
            "plain": service.url.replace("http:", "https:"),
        }.get(fault, service.url)
        more = f'[backend.tls]\nca_file = "{certs.ca_file}"' if url.startswith("https") else ""
        slow = fault in ("silent", "10 MB", "a compression bomb")
        faults = 5 if slow else FAULTS
        with Program(tmp_path, rest(url, more, top="deadline = 0.2")) as program:
            program.logged("config_loaded")
            program.ask(auth())
            before = held(program)
            for _ in range(faults):
                assert program.ask(auth()) == UNDECIDED
            # An interrupted thread may need a moment to end. A leak never ends.
            end = time.monotonic() + 10
            while held(program) > before and time.monotonic() < end:
                time.sleep(0.02)
            assert held(program) <= before


def held(program: Program) -> tuple[int, int]:
    """The numbers of open files and of threads."""
    process = Path(f"/proc/{program.process.pid}")
    return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


def test_the_proxy_of_the_environment_is_used_only_with_trust_env(tmp_path: Path) -> None:
    with Service(answering(YES)) as proxy, Service(answering(http(403))) as service:
        there = {"http_proxy": f"http://127.0.0.1:{proxy.port}"}
        with Program(tmp_path, rest(service.url), environment=there) as program:
            assert program.ask(auth()) == DENY
            program.write_config(rest(service.url, "trust_env = true"))
            assert program.ask(auth()) == ALLOW
        assert proxy.requests[0].target == f"{service.url}/auth"
