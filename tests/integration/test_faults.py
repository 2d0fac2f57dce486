"""What goes wrong between the program and its service, and the word that the log has for it."""

import gzip
import signal
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from extauth_http.protocol.packets import frame
from tests.integration.certificates import Certificates, certificates
from tests.integration.plugins import plugins
from tests.integration.program import ALLOW, DENY, UNDECIDED, Program, auth, isuser, rest, setpass
from tests.integration.service import YES, Behaviour, Request, Service, answering, http


def sending(data: bytes, *, then_close: bool = True) -> Behaviour:
    """Sends this and closes the connection."""

    def behave(_: Request, connection: socket.socket) -> None:
        connection.sendall(data)
        if then_close:
            connection.shutdown(socket.SHUT_RDWR)

    return behave


def resetting(_: Request, connection: socket.socket) -> None:
    """Half an answer, then a reset."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    raise OSError  # closes the connection, by a reset


LINGER = b"\x01\x00\x00\x00\x00\x00\x00\x00"
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
def test_an_answer_that_is_none_is_undecided_and_has_a_reason(tmp_path: Path, fault: str) -> None:
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


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    redirect = http(302, "", "Location: /x/elsewhere")
    behave = answering(redirect, YES)
    with Service(behave) as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == UNDECIDED
        assert [request.target for request in service.requests] == ["/x/auth"]


def test_a_port_where_nothing_listens_is_undecided(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with Program(tmp_path, rest(f"http://127.0.0.1:{port}/")) as program:
        assert program.ask(auth()) == UNDECIDED
        assert program.reasons() == ["connect_refused"]


def test_a_name_that_does_not_resolve_is_undecided(tmp_path: Path) -> None:
    with Program(tmp_path, rest("http://nowhere.invalid/")) as program:
        assert program.ask(auth()) == UNDECIDED
        assert program.reasons() == ["name_not_found"]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize(
    ("which", "detail"),
    [
        ("expired", "localhost: certificate has expired"),
        ("self_signed", "localhost: self-signed certificate"),
        ("unknown", "localhost: unable to get local issuer certificate"),
        ("other_name", "localhost: Hostname mismatch, certificate is not valid for 'localhost'."),
    ],
)
def test_a_certificate_that_is_not_good_is_undecided(
    tmp_path: Path, known: Certificates, which: str, detail: str
) -> None:
    context: ssl.SSLContext = getattr(known, which)
    tls = f'[backend.tls]\nca_file = "{known.ca_file}"'
    with Service(tls=context) as service, Program(tmp_path, rest(service.url, tls)) as program:
        assert program.ask(auth("hunter2")) == UNDECIDED
        (event,) = program.logged()
        assert (event["reason"], event["detail"]) == ("tls", detail)
        assert service.requests == []


def test_a_good_certificate_is_taken(tmp_path: Path, known: Certificates) -> None:
    tls = f'[backend.tls]\nca_file = "{known.ca_file}"'
    with Service(tls=known.good) as service, Program(tmp_path, rest(service.url, tls)) as program:
        assert [program.ask(auth()) for _ in range(3)] == [ALLOW] * 3
        assert len(service.connections) == 1


def test_without_its_authority_a_certificate_is_not_taken(
    tmp_path: Path, known: Certificates
) -> None:
    with Service(tls=known.good) as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == UNDECIDED
        assert program.reasons() == ["tls"]


def test_a_client_certificate_is_shown_to_who_wants_one(
    tmp_path: Path, known: Certificates
) -> None:
    tls = f'[backend.tls]\nca_file = "{known.ca_file}"\n'
    wants = known.wants_client
    with Service(tls=wants) as service, Program(tmp_path, rest(service.url, tls)) as program:
        assert [program.ask(auth()) for _ in range(10)] == [UNDECIDED] * 10
        assert program.reasons(10) == ["tls"] * 10
        program.write_config(rest(service.url, f'{tls}client_cert = "{known.client_file}"'))
        assert program.ask(auth()) == ALLOW


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("raise", "backend_error"),
        ("exit", "backend_exit"),
        ("interrupt", "backend_error"),
        ("true", "not_a_verdict"),
        ("none", "not_a_verdict"),
        ("undecided", "cannot_tell"),
        ("no verdict", "not_a_verdict"),
        ("no reason", "not_a_verdict"),
        ("undecided by nothing", "not_a_verdict"),
        ("logging", "connect_refused"),
    ],
)
def test_a_backend_that_fails_is_undecided_and_the_program_lives_on(
    tmp_path: Path, does: str, reason: str
) -> None:
    config = f'[backend]\nkind = "noisy"\ndoes = "{does}"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        assert program.ask(auth("hunter2")) == UNDECIDED
        assert program.ask(isuser()) == DENY  # it does not offer that
        assert program.reasons(2) == [reason, "unsupported"]
        assert "hunter2" not in program.log_file.read_text() + program.stderr()


@pytest.mark.parametrize("does", ["unraisable", "thread"])
def test_an_exception_that_nobody_catches_shows_nothing(tmp_path: Path, does: str) -> None:
    config = f'[backend]\nkind = "noisy"\ndoes = "{does}"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        assert program.ask(auth("hunter2")) == DENY
        assert program.reasons() == ["denied"]
        assert "hunter2" not in program.stderr()
        assert "Traceback" not in program.stderr()


@pytest.mark.parametrize("does", ["raise at close", "hang at close"])
def test_a_backend_that_cannot_be_closed_is_replaced_all_the_same(
    tmp_path: Path, does: str
) -> None:
    closed = tmp_path / "closed"
    kind = '[backend]\nkind = "noisy"\n'
    config = f'{kind}does = "{does}"\nfile = "{closed}"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        assert program.ask(auth("right")) == ALLOW
        for count in (1, 2):
            program.write_config(f'dialect = "boolean"\n{kind}does = "none"\n')
            assert program.ask(auth("right")) == DENY
            program.write_config(config)
            assert program.ask(auth("right")) == ALLOW
            assert len(program.logged("config_reloaded", count=2 * count)) == 2 * count
        if does == "raise at close":
            until_exists(closed)
        assert not [event for event in program.log() if event["event"] == "config_broken"]


def until_exists(file: Path) -> None:
    """Waits until a file exists."""
    end = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < end, f"{file} never appeared"
        time.sleep(0.01)


def test_a_replaced_backend_is_closed_after_its_last_command_is_answered(tmp_path: Path) -> None:
    goes_on, closed = tmp_path / "goes-on", tmp_path / "closed"
    kind = '[backend]\nkind = "noisy"\n'
    config = f'{kind}does = "wait for a file"\nfile = "{closed}"\n'
    with Program(tmp_path, config, environment=plugins(tmp_path)) as program:
        program.logged("config_loaded")
        program.write(auth(str(goes_on)))
        while "it waits" not in program.stderr():
            time.sleep(0.01)
        program.write_config(f'{kind}does = "nothing"\n')
        program.signal(signal.SIGHUP)
        program.logged("config_reloaded")
        time.sleep(0.1)  # a backend that is closed too early is closed by now
        assert not closed.exists()
        goes_on.touch()
        assert program.read() == ALLOW
        until_exists(closed)
        assert program.ask(auth("right")) == ALLOW


FAULTS = 150


def refusing() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"http://127.0.0.1:{found.getsockname()[1]}/"


@pytest.mark.parametrize("fault", ["refused", "no name", "expired", "plain", "silent", *ANSWERS])
def test_no_fault_leaves_a_descriptor_or_a_thread_behind(
    tmp_path: Path, known: Certificates, fault: str
) -> None:
    tls = {"expired": known.expired}.get(fault)
    behave = ANSWERS[fault][0] if fault in ANSWERS else answering(YES)
    if fault == "silent":
        behave = silent
    with Service(behave, tls) as service:
        url = {
            "refused": refusing(),
            "no name": "http://nowhere.invalid/",
            "plain": service.url.replace("http:", "https:"),
        }.get(fault, service.url)
        more = f'[backend.tls]\nca_file = "{known.ca_file}"' if url.startswith("https") else ""
        slow = fault in ("silent", "10 MB", "a compression bomb")
        faults = 5 if slow else FAULTS
        with Program(tmp_path, rest(url, more, top="deadline = 0.2")) as program:
            program.logged("config_loaded")
            program.ask(auth())
            before = held(program)
            for _ in range(faults):
                assert program.ask(auth()) == UNDECIDED
            # What was given up may need a moment to end; what leaks does not end at all.
            end = time.monotonic() + 10
            while held(program) > before and time.monotonic() < end:
                time.sleep(0.02)
            assert held(program) <= before


def held(program: Program) -> tuple[int, int]:
    """Open files and threads."""
    process = Path(f"/proc/{program.process.pid}")
    return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))


def silent(_: Request, __: socket.socket) -> None:
    """Never answers."""


def closing_idle(request: Request, connection: socket.socket) -> None:
    """Answers, and closes the connection when it was used once."""
    connection.sendall(YES)
    connection.shutdown(socket.SHUT_RDWR)


def resetting_idle(request: Request, connection: socket.socket) -> None:
    """Answers, and resets the connection when it was used once."""
    connection.sendall(YES)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    raise OSError


@pytest.mark.parametrize("behave", [closing_idle, resetting_idle])
@pytest.mark.parametrize("encrypted", [False, True])
def test_a_service_that_closes_idle_connections_is_not_noticed(
    tmp_path: Path, known: Certificates, behave: Behaviour, encrypted: bool
) -> None:
    tls, more = (
        (known.good, f'[backend.tls]\nca_file = "{known.ca_file}"') if encrypted else (None, "")
    )
    with Service(behave, tls) as service, Program(tmp_path, rest(service.url, more)) as program:
        assert [program.ask(auth(LONG)) for _ in range(20)] == [ALLOW] * 20
        assert len(service.connections) == 20


def test_an_answer_before_the_whole_request_was_taken_is_an_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10)
                connection.sendall(http(403, "", "Connection: close"))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        with Program(tmp_path, rest(url)) as program:
            assert program.ask(auth(LONG)) == DENY
        thread.join(5)


def test_a_service_that_restarts_is_not_noticed(tmp_path: Path) -> None:
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == ALLOW
        port = service.port
        service.__exit__()
        with Service(port=port):
            assert program.ask(auth()) == ALLOW
            assert program.ask(setpass()) == ALLOW


def dropping(request: Request, connection: socket.socket) -> None:
    """Answers what comes first on a connection; what comes later is read and dropped."""
    if request.connection in seen:
        connection.shutdown(socket.SHUT_RDWR)
    else:
        seen.add(request.connection)
        connection.sendall(YES)


seen: set[int] = set()


@pytest.mark.parametrize(("asked", "requests"), [(auth(), 3), (isuser(), 3), (setpass(), 2)])
def test_a_read_that_is_dropped_as_it_goes_out_is_tried_once_more(
    tmp_path: Path, asked: bytes, requests: int
) -> None:
    """A write is not: it goes out on a connection of its own instead, which cannot be old."""
    seen.clear()
    with Service(dropping) as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == ALLOW
        assert program.ask(asked) == ALLOW
        assert len(service.requests) == requests


@pytest.mark.parametrize(
    "payload",
    [
        b"setpass:alice:h.example:x",
        b"tryregister:alice:h.example:x",
        b"removeuser:alice:h.example",
        b"removeuser3:alice:h.example:x",
    ],
)
def test_a_write_is_never_sent_twice(tmp_path: Path, payload: bytes) -> None:
    write = frame(payload)
    with Service() as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == ALLOW
        service.behave = sending(b"")
        assert program.ask(write) == UNDECIDED
        assert program.reasons(2)[-1] == "connection_lost"
        assert len(service.requests) == 2


def test_a_read_on_a_new_connection_is_not_tried_again(tmp_path: Path) -> None:
    with Service(sending(b"")) as service, Program(tmp_path, rest(service.url)) as program:
        assert program.ask(auth()) == UNDECIDED
        assert len(service.requests) == 1


def test_the_environments_proxy_is_used_only_when_told(tmp_path: Path) -> None:
    with Service(answering(YES)) as proxy, Service(answering(http(403))) as service:
        there = {"http_proxy": f"http://127.0.0.1:{proxy.port}"}
        with Program(tmp_path, rest(service.url), environment=there) as program:
            assert program.ask(auth()) == DENY
            program.write_config(rest(service.url, "trust_env = true"))
            assert program.ask(auth()) == ALLOW
        assert proxy.requests[0].target == f"{service.url}/auth"
