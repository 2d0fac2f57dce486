"""ejabberd behaves as `extauth-http check` claims in its findings about ejabberd.yml."""

import datetime
import re
import socket
import ssl
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError
from extauth_http.check.finding import Level
from tests.check.ejabberd_yml.files import all_findings, findings_by_id
from tests.check.ejabberd_yml.test_whole_files import TO_CHANGE
from tests.e2e.ejabberd import MODULES, ROOT, Ejabberd, ebin, free_ports
from tests.e2e.fast import FastClient
from tests.e2e.raw_stream import RawStream, mechanisms

pytestmark = pytest.mark.e2e
STOCK = ROOT / "usr/share/ejabberd/ejabberd.yml.example"
TOKENS = ROOT / f".{ebin()}" / "mod_auth_fast.beam"
VERSION = tuple(map(int, re.findall(r"\d+", (ebin() or "").partition("ejabberd-")[2])[:2]))


PROGRAM = """
import struct, sys
while head := sys.stdin.buffer.read(2):
    packet = sys.stdin.buffer.read(struct.unpack(">H", head)[0])
    with open(sys.argv[1], "ab") as requests:
        requests.write(packet + b"\\n")
    yes = packet.startswith((b"isuser:alice:", b"setpass:")) or packet.endswith(b":good")
    sys.stdout.buffer.write(struct.pack(">HH", 2, yes))
    sys.stdout.buffer.flush()
"""


@dataclass
class Program:
    """A program that accepts the password ``good`` and records its requests."""

    folder: Path

    @property
    def command_line(self) -> str:
        (self.folder / "program.py").write_text(PROGRAM)
        return f"{sys.executable} {self.folder}/program.py {self.folder}/requests"

    def new_requests(self) -> list[str]:
        """The requests since the last call."""
        file = self.folder / "requests"
        requests = file.read_text().splitlines() if file.exists() else []
        file.write_text("")
        return requests


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def written(server: Ejabberd, folder: Path) -> Path:
    """The configuration of a server as a file."""
    file = folder / "ejabberd.yml"
    file.write_text(yaml.safe_dump(server.config))
    return file


def test_the_example_of_ejabberd_needs_four_changes() -> None:
    found = {(each.host, each.id) for each in all_findings(STOCK) if each.level is not Level.GOOD}
    assert found == {(host, name) for host, name, _ in TO_CHANGE["as-shipped"]}


# The options of each host, and the mechanisms that ejabberd offers there without TLS.
OFFERED: dict[str, tuple[dict[str, Any], set[str]]] = {
    "usual.org": ({}, {"PLAIN", "X-OAUTH2"}),
    "scram-format.org": ({"auth_password_format": "scram"}, {"PLAIN", "X-OAUTH2"}),
    "beside.org": (
        {"auth_method": ["external", "mnesia"], "auth_password_format": "scram"},
        {"PLAIN", "X-OAUTH2"},
    ),
    "other.org": (
        {"auth_method": "internal", "auth_password_format": "plain"},
        {
            *("PLAIN", "X-OAUTH2", "DIGEST-MD5"),
            *("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"),
        },
    ),
    "anonymous.org": (
        {"auth_method": ["external", "anonymous"]},
        {"PLAIN", "X-OAUTH2", "ANONYMOUS"},
    ),
    "oauth-off.org": ({"disable_sasl_mechanisms": "x-oauth2"}, {"PLAIN"}),
    "plain-off.org": ({"disable_sasl_mechanisms": ["plain", "X-OAUTH2"]}, set()),
}


def test_ejabberd_offers_the_mechanisms_that_check_reports(
    tmp_path: Path, program: Program
) -> None:
    own = {host: options for host, (options, _) in OFFERED.items() if options}
    server = Ejabberd(program.command_line, hosts=[*OFFERED], options={"host_config": own})
    with server:
        assert {host: mechanisms(server.c2s_port, host) for host in OFFERED} == {
            host: offered for host, (_, offered) in OFFERED.items()
        }
    found = {(each.host, each.id) for each in all_findings(written(server, tmp_path))}
    assert found >= {
        ("scram-format.org", "scram-format"),
        ("beside.org", "auth-method-beside"),
        ("other.org", "auth-method-not-external"),
        ("anonymous.org", "anonymous"),
        ("oauth-off.org", "oauth-off"),
        ("plain-off.org", "plain-disabled"),
    }


@pytest.mark.skipif(VERSION < (25, 7), reason="ejabberd has these options from 25.07 on")
def test_options_for_stored_passwords_hide_plain_and_offer_scram_that_fails(
    tmp_path: Path, program: Program
) -> None:
    own = {
        "scram.org": {"auth_stored_password_types": ["scram_sha256"]},
        "plain.org": {"auth_stored_password_types": ["plain"]},
    }
    hidden = {"auth_password_types_hidden_in_sasl1": ["plain"]}
    options = {**hidden, "host_config": own}
    server = Ejabberd(program.command_line, hosts=["hidden.org", *own], options=options)
    with server:
        assert mechanisms(server.c2s_port, "hidden.org") == {"X-OAUTH2"}
        for host in own:
            with RawStream(server.c2s_port, host) as stream:
                assert "SCRAM-SHA-256" in stream.mechanisms
                first = b"n,,n=alice,r=0123456789abcdef"
                assert stream.answer("SCRAM-SHA-256", first) == "failure"
    assert findings_by_id(written(server, tmp_path)).keys() >= {"plain-hidden", "scram-types"}
    server = Ejabberd(program.command_line, options={"host_config": {"example.org": hidden}})
    with server:
        assert mechanisms(server.c2s_port, "example.org") == {"PLAIN", "X-OAUTH2"}
    assert "plain-hidden" not in findings_by_id(written(server, tmp_path))


def test_host_config_replaces_all_modules_and_append_host_config_adds_some(
    tmp_path: Path, program: Program
) -> None:
    """mod_register is a stream feature (XEP-0077 section 4)."""
    options: dict[str, Any] = {
        "host_config": {"own.org": {"modules": {"mod_roster": {}}}},
        "append_host_config": {"more.org": {"modules": {"mod_ping": {}}}},
    }
    hosts = ["usual.org", "own.org", "more.org"]
    server = Ejabberd(
        program.command_line, hosts=hosts, modules={"mod_register": {}}, options=options
    )
    yml = EjabberdYml(written(server, tmp_path))
    with server:
        for host in hosts:
            with RawStream(server.c2s_port, host) as stream:
                assert ("<register" in stream.features) == ("mod_register" in yml.modules(host))


CACHES: list[tuple[dict[str, Any], bool]] = [
    # other options, whether the second login reaches the program
    ({}, False),
    ({"use_cache": False}, True),
    ({"use_cache": True, "auth_use_cache": "no"}, True),
    ({"use_cache": False, "host_config": {"example.org": {"use_cache": True}}}, False),
]


@pytest.mark.parametrize(("options", "twice"), CACHES)
def test_the_cache_is_on_if_check_reports_it(
    tmp_path: Path, program: Program, options: dict[str, Any], twice: bool
) -> None:
    server = Ejabberd(program.command_line)
    del server.config["auth_use_cache"]
    server.config |= options
    with server:
        for _ in range(2):
            assert server.check_password("alice", "example.org", "good")
    logins = [each for each in program.new_requests() if each.startswith("auth:")]
    assert (len(logins) == 2) == twice
    assert ("cache-off" in findings_by_id(written(server, tmp_path))) == twice


ACCEPTED = """
use_cache: y
extauth_cache: 600
disable_sasl_mechanisms: [DIGEST-MD5]
disable_sasl_mechanisms: [X-OAUTH2]
define_macro: {FIRST: SECOND, SECOND: "off"}
host_config: {EXAMPLE.org: {use_cache: FIRST}}
append_host_config: {example.org: {auth_method: anonymous}}
include_config_file: {FOLDER/beside.yml: {disallow: [use_cache]}}
"""

LINES = [
    # options in an included file, whether ejabberd starts with them
    ("", True),
    (ACCEPTED, True),
    ("include_config_file: [FOLDER/beside.yml]", True),
    ("use_cache: False", False),
    ("use_cache: true\nuse_cache: true", False),
    ("extauth_instances: 2", False),
    ("extauth_pool_size: 2", False),
    (
        "auth_password_format: &format plain\nhost_config: {example.org: {use_cache: *format}}",
        False,
    ),
    ("host_config: {elsewhere.org: {use_cache: true}}", False),
    ("append_host_config: {example.org: {use_cache: true}}", False),
    ("define_macro: {A: B, B: A}\nuse_cache: A", False),
    ("include_config_file: beside.yml", False),
    ("include_config_file: FOLDER/included.yml", False),
    ("include_config_file: [{FOLDER/beside.yml: {}}]", False),
    ("include_config_file: {FOLDER/beside.yml: {disallow: hosts}}", False),
    ("hosts: [EXAMPLE.org]", False),
    ("hosts: elsewhere.org", False),
    ("hosts: [alice@elsewhere.org]", False),
    ("modules: [mod_ping]", False),
    ("host_config: {example.org: 5}", False),
    ("host_config: {EXAMPLE.org: {use_cache: y}, example.org: {use_cache: y}}", False),
    ("host_config: {EXAMPLE.org: {use_cache: y}, example.org: {auth_method: external}}", True),
    ('language: "\\ud800"', False),
]


@pytest.mark.parametrize(("lines", "starts"), LINES)
def test_the_parser_accepts_a_file_if_and_only_if_ejabberd_starts_with_it(
    tmp_path: Path, program: Program, lines: str, starts: bool
) -> None:
    included = tmp_path / "included.yml"
    included.write_text(lines.replace("FOLDER", str(tmp_path)))
    (tmp_path / "beside.yml").write_text("use_cache: false\n")
    server = Ejabberd(program.command_line, options={"include_config_file": str(included)})
    try:
        with server:
            started = True
    except RuntimeError:
        started = False
    assert started == starts
    file = tmp_path / "elsewhere" / "ejabberd.yml"
    file.parent.mkdir()
    if starts:
        EjabberdYml(written(server, file.parent))
    else:
        with pytest.raises(EjabberdYmlError):
            EjabberdYml(written(server, file.parent))


@dataclass
class Certificates:
    """A server certificate, and client certificates for a JID (RFC 6120 section 13.7.1.4)."""

    folder: Path
    authority: trustme.CA

    @property
    def options(self) -> dict[str, Any]:
        server = self.folder / "server.pem"
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
        issued = self.authority.issue_cert("example.org", not_after=until)
        issued.private_key_and_cert_chain_pem.write_to_path(str(server))
        self.authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        return {"certfiles": [str(server)], "c2s_cafile": str(self.folder / "ca.pem")}

    def client(self, jid: str = "") -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        if jid:
            file = self.folder / "client.pem"
            file.write_bytes(self._issued(jid.encode()))
            context.load_cert_chain(file)
        return context

    def _issued(self, jid: bytes) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.load_pem_x509_certificate(self.authority.cert_pem.bytes())
        signer = serialization.load_pem_private_key(self.authority.private_key_pem.bytes(), None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        day = datetime.timedelta(days=1)
        now = datetime.datetime.now(datetime.UTC)
        utf8 = b"\x0c" + bytes([len(jid)]) + jid
        address = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5"), utf8)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.SubjectAlternativeName([address]), critical=True)
            .sign(signer, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path, trustme.CA())


def c2s(port: int, **more: object) -> dict[str, object]:
    return {"port": port, "ip": "127.0.0.1", "module": "ejabberd_c2s", **more}


OPEN: list[tuple[dict[str, object], bool]] = [
    # options of a c2s listener, whether it accepts PLAIN without TLS
    ({}, True),
    ({"starttls": True}, True),
    ({"starttls": False, "tls": False}, True),
    ({"starttls": True, "starttls_required": True}, False),
    ({"starttls": False, "starttls_required": "y"}, False),
]


def test_listeners_accept_plain_without_tls_if_check_reports_it(
    tmp_path: Path, program: Program, certificates: Certificates
) -> None:
    *ports, bosh = free_ports(len(OPEN) + 1)
    server = Ejabberd(
        program.command_line, modules={**MODULES, "mod_bosh": {}}, options=certificates.options
    )
    for port, (options, _) in zip(ports, OPEN, strict=True):
        server.config["listen"].append(c2s(port, **options))
    handlers = {"/bosh": "mod_bosh"}
    server.config["listen"].append(
        {"port": bosh, "ip": "127.0.0.1", "module": "ejabberd_http", "request_handlers": handlers}
    )
    with server:
        for port, (options, is_accepted) in zip(ports, OPEN, strict=True):
            assert ("PLAIN" in mechanisms(port, "example.org")) == is_accepted, options
        opening = "<body rid='1' to='example.org' hold='1' wait='1' ver='1.6' xmpp:version='1.0' "
        opening += "xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh'/>"
        url = f"http://127.0.0.1:{bosh}/bosh"
        assert "PLAIN" in httpx.post(url, content=opening, trust_env=False).text
    for listener in server.config["listen"]:
        listener["ip"] = "::"  # a loopback address has no finding
    found = {each.id for each in all_findings(written(server, tmp_path)) if "listener" in each.id}
    assert found == {"listener-plain", "listener-http"}
    places = [
        each.place
        for each in all_findings(written(server, tmp_path))
        if each.id == "listener-plain"
    ]
    assert places == [("listen", 0), ("listen", 2), ("listen", 3), ("listen", 4)]


@pytest.mark.parametrize("disabled", [False, True])
def test_a_client_certificate_logs_in_a_user_that_the_program_does_not_know(
    tmp_path: Path, program: Program, certificates: Certificates, disabled: bool
) -> None:
    (port,) = free_ports(1)
    server = Ejabberd(program.command_line, options=certificates.options)
    server.config["listen"].append(c2s(port, tls=True, tls_verify=True))
    if disabled:
        server.config["disable_sasl_mechanisms"] = ["EXTERNAL"]
    with server:
        context = certificates.client("nobody@example.org")
        with RawStream(port, "example.org", context=context) as stream:
            answer = stream.answer("EXTERNAL", b"")
    assert answer == ("failure" if disabled else "success")
    assert program.new_requests() == []
    assert ("client-certificates" in findings_by_id(written(server, tmp_path))) != disabled


@pytest.mark.skipif(not TOKENS.exists(), reason="this ejabberd has no mod_auth_fast")
def test_a_fast_token_is_accepted_without_a_request_and_renews_itself(
    tmp_path: Path, program: Program, certificates: Certificates
) -> None:
    """XEP-0484: the first login uses the password, each later one an HMAC with the token."""
    (port,) = free_ports(1)
    modules = {**MODULES, "mod_auth_fast": {}}
    options = {**certificates.options, "disable_sasl_mechanisms": ["X-OAUTH2"]}
    server = Ejabberd(program.command_line, modules=modules, options=options)
    server.config["listen"].append(c2s(port, tls=True))

    def log_in(secret: str, *, by_token: bool = True) -> str:
        """The new token; empty if the login fails."""
        with FastClient(port, "alice", "example.org", certificates.client()) as client:
            is_logged_in = client.log_in_by(secret) if by_token else client.log_in(secret)
            return client.token if is_logged_in else ""

    with server:
        token = log_in("good", by_token=False)
        assert token
        assert program.new_requests() == ["auth:alice:example.org:good"]
        renewed = log_in(token)
        assert renewed
        renewed = log_in(renewed)
        assert renewed
        assert program.new_requests() == []
        server.api("change_password", user="alice", host="example.org", newpass="new")
        assert bool(log_in(renewed)) == (VERSION < (26, 7))
    assert "mod-auth-fast" in findings_by_id(written(server, tmp_path))


def mqtt_connects(port: int, user: str, *, password: str = "", token: str = "") -> bool:
    """Whether CONNECT of MQTT 5 succeeds with a password, or with a token and X-OAUTH2."""

    def text(value: str) -> bytes:
        return struct.pack(">H", len(value)) + value.encode()

    properties = b"\x15" + text("X-OAUTH2") + b"\x16" + text(token) if token else b""
    flags = 0x82 | (0x40 if password else 0)
    body = text("MQTT") + bytes([5, flags, 0, 30, len(properties)]) + properties
    body += text("client") + text(user) + (text(password) if password else b"")
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(bytes([0x10, len(body)]) + body)
        answer = connection.recv(100)
    return answer[0] == 0x20 and answer[3] == 0


def oauth_token(server: Ejabberd, port: int, jid: str) -> str:
    """A token for a login, in exchange for the password (ejabberd_oauth)."""
    if VERSION >= (26,):
        server.api("oauth_add_client_password", client_id="x", client_name="x", secret="y")
    form = {"grant_type": "password", "username": jid, "password": "good"}
    form |= {"scope": "sasl_auth", "client_id": "x", "client_secret": "y"}
    try:
        answer = httpx.post(f"http://127.0.0.1:{port}/oauth/token", data=form, trust_env=False)
    except httpx.RemoteProtocolError:
        pytest.skip("OAuth in ejabberd needs Debian's package erlang-p1-oauth2")
    return str(answer.json()["access_token"])


def test_an_oauth_token_is_accepted_without_a_request_and_always_over_mqtt(
    tmp_path: Path, program: Program
) -> None:
    mqtt_port, http_port = free_ports(2)
    server = Ejabberd(
        program.command_line,
        modules={**MODULES, "mod_mqtt": {}},
        options={"oauth_access": "all"},
    )
    for listener in (
        {"port": mqtt_port, "module": "mod_mqtt"},
        {
            "port": http_port,
            "module": "ejabberd_http",
            "request_handlers": {"/oauth": "ejabberd_oauth"},
        },
    ):
        server.config["listen"].append({"ip": "127.0.0.1", **listener})
    found = findings_by_id(written(server, tmp_path))
    assert found.keys() >= {"oauth", "oauth-mqtt"}
    server.config |= {
        "hosts": ["example.org", "open.org"],
        "host_config": {"example.org": yaml.safe_load(found["oauth"].line)},
    }
    with server:
        assert mqtt_connects(mqtt_port, "alice@example.org", password="good")
        assert not mqtt_connects(mqtt_port, "alice@example.org", password="bad")
        token = oauth_token(server, http_port, "alice@example.org")
        program.new_requests()
        with RawStream(server.c2s_port, "example.org") as stream:
            assert stream.answer("X-OAUTH2", b"\0alice\0" + token.encode()) == "failure"
        assert mqtt_connects(mqtt_port, "alice@example.org", token=token)
        token = oauth_token(server, http_port, "alice@open.org")
        assert program.new_requests() == ["auth:alice:open.org:good"]
        with RawStream(server.c2s_port, "open.org") as stream:
            assert stream.answer("X-OAUTH2", b"\0alice\0" + token.encode()) == "success"
        assert program.new_requests() == []
