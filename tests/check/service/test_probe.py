"""The service is reached, trusted and asked, and each way in which that fails has its own name."""

import socket
import ssl
import time
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from extauth_http.check.finding import Finding, Level
from extauth_http.check.login import Login
from extauth_http.check.service import probe as backend
from extauth_http.check.service import reachability as reached
from tests.check.findings import bad, ids, one
from tests.credentials import PASSWORD, shown
from tests.integration.certificates import Certificates, certificates
from tests.integration.service import NO, YES, Behaviour, Request, Service, answering, http
from tests.settings import settings_of

ALICE = Login("alice", "example.org", PASSWORD)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


def found_of(
    url: str, login: Login | None = None, deadline: float = 2.0, **more: object
) -> list[Finding]:
    settings = settings_of(
        backend={"kind": "rest", "url": url, **more},
        deadline=deadline,
    )
    return list(backend.findings(settings, [], login))


def only_alice(request: Request, connection: socket.socket) -> None:
    asked = request.json()
    is_right = asked.get("password", PASSWORD) == PASSWORD
    connection.sendall(YES if asked["user"] == "alice" and is_right else NO)


def auth_else(auth: bytes, isuser: bytes) -> Behaviour:
    def behave(request: Request, connection: socket.socket) -> None:
        connection.sendall(auth if request.target.endswith("/auth") else isuser)

    return behave


def slow(request: Request, connection: socket.socket) -> None:
    time.sleep(0.3 if request.target.endswith("/auth") else 0)
    connection.sendall(NO)


GOOD = {"backend-connects", "backend-refuses", "backend-answers", "backend-knows-nobody"}
SERVICES = [
    (only_alice, GOOD | {"backend-user"}, set()),
    (answering(YES), {"backend-user"}, {"backend-lets-everyone-in", "backend-knows-everybody"}),
    (auth_else(NO, YES), set(), {"backend-knows-everybody", "backend-user-refused"}),
    (answering(NO), GOOD, {"backend-user-refused"}),
    (answering(http(401)), GOOD, {"backend-user-refused"}),
    (answering(http(503)), set(), {"backend-undecided", "backend-isuser-undecided"}),
    (answering(http(200, "<html>log in")), set(), {"backend-undecided"}),
    (answering(http(302, "", "Location: /")), set(), {"backend-undecided"}),
    (auth_else(NO, http(503)), set(), {"backend-isuser-undecided", "backend-user-refused"}),
    (auth_else(http(503), NO), set(), {"backend-undecided", "backend-user-refused"}),
]


@pytest.mark.parametrize(("behave", "good", "not_good"), SERVICES)
def test_a_service_is_told_by_what_it_answers(
    behave: Behaviour, good: set[str], not_good: set[str]
) -> None:
    with Service(behave) as service:
        found = found_of(service.url, ALICE)
    assert bad(found) >= not_good
    assert good <= ids(found)
    if not not_good:
        assert not bad(found)
    assert not shown(str(found).encode())


def test_who_cannot_tell_is_not_counted_as_refusing_a_made_up_user() -> None:
    with Service(answering(http(503))) as service:
        found = found_of(service.url)
    assert "backend-refuses" not in ids(found)
    assert "backend-answers" not in ids(found)
    finding = one(found, "backend-undecided")
    assert finding.level is Level.BROKEN
    assert "http_503" in finding.found


@pytest.mark.parametrize(("status", "is_hinted"), [(404, True), (405, True), (503, False)])
def test_a_status_that_a_wrong_url_gives_is_told_as_that(status: int, is_hinted: bool) -> None:
    with Service(answering(http(status))) as service:
        finding = one(found_of(service.url), "backend-undecided")
    assert any("wrong url" in line for line in finding.details) is is_hinted


def test_a_user_who_logs_in_and_does_not_exist_is_a_warning() -> None:
    def behave(request: Request, connection: socket.socket) -> None:
        asked = request.json()
        connection.sendall(YES if asked.get("password") == PASSWORD else NO)

    with Service(behave) as service:
        found = found_of(service.url, ALICE)
    assert bad(found) == {"backend-user-unknown"}
    assert one(found, "backend-user-unknown").level is Level.WARNING


def test_a_status_that_a_wrong_url_gives_too_is_said_to_be_one() -> None:
    with Service(answering(http(403))) as service:
        found = found_of(service.url, ALICE)
    assert "wrong url" in one(found, "backend-refuses").found
    assert any("wrong url" in line for line in one(found, "backend-user-refused").details)


def test_a_slow_service_is_told_with_the_deadline() -> None:
    with Service(slow) as service:
        found = found_of(service.url, deadline=0.5)
    assert bad(found) == {"backend-slow"}
    assert "0.5 s" in one(found, "backend-slow").found


def test_a_service_that_never_answers_does_not_hold_the_check_up() -> None:
    with Service(lambda *_: time.sleep(60)) as service:
        began = time.monotonic()
        found = found_of(service.url, ALICE, deadline=0.5)
    assert time.monotonic() - began < 10
    assert "deadline" in one(found, "backend-undecided").found


def test_a_refusal_that_the_service_was_not_asked_about_says_nothing_about_it() -> None:
    with Service() as service:
        found = found_of(service.url, operations={"auth": {"enabled": False}})
        assert not [each for each in service.requests if "auth" in each.target]
    assert bad(found) == {"backend-not-asked"}
    assert "switched_off" in one(found, "backend-not-asked").found


def test_an_isuser_of_the_configuration_is_no_fault() -> None:
    with Service(answering(http(401))) as service:
        settings = settings_of(backend={"kind": "userinfo", "url": service.url})
        found = list(backend.findings(settings, [], None))
    assert "deny" in one(found, "backend-isuser-configured").found
    assert not bad(found)


def test_a_host_without_a_backend_is_named() -> None:
    with Service(answering(NO)) as service:
        own = {"a.org": {"backend": {"kind": "rest", "url": service.url}}}
        settings = settings_of(hosts=own)
        found = list(backend.findings(settings, ["a.org", "b.org"], None))
    (finding,) = [each for each in found if each.level]
    assert (finding.id, finding.host) == ("backend-none", "b.org")
    more = tomllib.loads(finding.line)["hosts"]
    assert settings_of(hosts=own | more).hosts.keys() == {"a.org", "b.org"}


def test_a_backend_that_cannot_be_made_is_named_without_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(PASSWORD)

    with Service() as service:
        monkeypatch.setattr(backend, "_Asking", fail)
        found = found_of(service.url)
    assert one(found, "backend-fails").found.endswith("ValueError")


def test_nothing_listening_and_no_such_name_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    refused = found_of(f"http://127.0.0.1:{port}/x", ALICE)
    assert ids(refused) == {"backend-unreachable"}
    assert "refused" in refused[0].found
    nameless = found_of("http://nowhere.invalid/x", ALICE)
    assert ids(nameless) == {"backend-name"}
    assert "nowhere.invalid" in nameless[0].found


def test_an_address_that_drops_packets_beside_one_that_works_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect = socket.create_connection

    def drop(address: tuple[str, int], timeout: float) -> socket.socket:
        """Packets cannot be dropped on this machine without a firewall's rule."""
        if address[0] == "192.0.2.1":
            raise TimeoutError
        return connect(address, timeout)

    look_up = socket.getaddrinfo

    def two(host: str, port: int, *_: object, **__: object) -> list[object]:
        if host != "localhost":
            return list(look_up(host, port, type=socket.SOCK_STREAM))
        return [(0, 0, 0, "", (each, port)) for each in ("192.0.2.1", "127.0.0.1")]

    with Service() as service:
        settings = settings_of(backend={"kind": "rest", "url": service.url}).backend
        assert settings
        (endpoint,) = settings.endpoints()
        monkeypatch.setattr(socket, "create_connection", drop)
        monkeypatch.setattr(socket, "getaddrinfo", two)
        found = list(reached.reach(endpoint.origin, settings, "backend", 1.0))
    assert bad(found) == {"backend-address"}
    assert "192.0.2.1" in one(found, "backend-address").found


CERTIFICATES = [
    ("good", "backend-certificate", ""),
    ("expired", "backend-certificate-expired", "renew"),
    ("other_name", "backend-certificate-name", "not for localhost"),
    ("self_signed", "backend-certificate-self-signed", "but itself"),
    ("unknown", "backend-certificate-unknown", "authority"),
]


@pytest.mark.parametrize(("name", "identity", "said"), CERTIFICATES)
def test_each_certificate_has_a_finding_of_its_own(
    some: Certificates, name: str, identity: str, said: str
) -> None:
    with Service(only_alice, tls=getattr(some, name)) as service:
        found = found_of(service.url, ALICE, tls={"ca_file": str(some.ca_file)})
    assert said in one(found, identity).found
    assert bad(found) == ({identity} if name != "good" else set())
    assert ("backend-user" in ids(found)) == (name == "good")


def test_the_file_of_an_authority_belongs_to_the_backend_that_lacks_it(some: Certificates) -> None:
    with Service(only_alice, tls=some.self_signed) as service:
        one_backend = {"kind": "rest", "url": service.url}
        with_tls = {**one_backend, "tls": {"ca_file": str(some.ca_file)}}
        lines = [
            one(
                list(backend.findings(settings_of(**data), [], None)),
                "backend-certificate-self-signed",
            ).line
            for data in (
                {"backend": one_backend},
                {"hosts": {"a.org": {"backend": one_backend}}},
                {"backend": with_tls},
            )
        ]
    file = 'ca_file = "/etc/ejabberd/authority.pem"'
    assert lines == [f"[backend.tls]\n{file}", f'[hosts."a.org".backend.tls]\n{file}', file]


@pytest.mark.parametrize(
    ("starts", "ends", "identity"),
    [(-1, 5, "backend-certificate-ends"), (1, 30, "backend-certificate-early")],
)
def test_a_certificate_is_told_by_its_days(
    tmp_path: Path, starts: int, ends: int, identity: str
) -> None:
    authority, now = trustme.CA(), datetime.now(UTC)
    certificate = authority.issue_cert(
        "localhost",
        not_before=now + timedelta(days=starts),
        not_after=now + timedelta(days=ends, hours=1),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with Service(only_alice, tls=context) as service:
        found = found_of(service.url, tls={"ca_file": str(tmp_path / "ca.pem")})
    finding = one(found, identity)
    assert bad(found) == {identity}
    if identity == "backend-certificate-ends":
        assert "ends in 5 days" in finding.found
        assert finding.level is Level.WARNING


def test_plain_http_where_tls_was_meant_is_named() -> None:
    with Service() as service:
        found = found_of(service.url.replace("http://", "https://"), ALICE)
    assert "plain http" in one(found, "backend-tls").found


def test_a_service_that_wants_our_certificate_is_undecided_without_one(
    some: Certificates,
) -> None:
    with Service(only_alice, tls=some.wants_client) as service:
        tls = {"ca_file": str(some.ca_file)}
        found = found_of(service.url, ALICE, tls=tls)
        assert "tls" in found[-1].found
        assert "backend-undecided" in bad(found)
        found = found_of(service.url, ALICE, tls={**tls, "client_cert": str(some.client_file)})
        assert not bad(found)
