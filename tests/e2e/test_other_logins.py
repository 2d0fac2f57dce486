"""Logins that do not ask the program, as `extauth-http check` claims."""

from pathlib import Path

import pytest
import trustme
import yaml

from tests.check.ejabberd_yml.files import findings_by_id
from tests.e2e import oauth
from tests.e2e.certificates import Certificates
from tests.e2e.ejabberd import MODULES, Ejabberd, c2s_listener, free_ports
from tests.e2e.fast import FastClient
from tests.e2e.installation import VERSION
from tests.e2e.mqtt import mqtt_logs_in
from tests.e2e.raw_stream import RawStream
from tests.e2e.recording_program import RecordingProgram

pytestmark = pytest.mark.e2e


@pytest.fixture
def program(tmp_path: Path) -> RecordingProgram:
    return RecordingProgram(tmp_path)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path, trustme.CA())


# The authorization identity of a PLAIN login by alice, and whose session ejabberd opens.
IDENTITIES: list[tuple[bytes, str | None]] = [
    (b"", "alice"),
    (b"alice", "alice"),
    (b"alice@example.org", "alice"),
    (b"bob", None),
    (b"bob@example.org", None),
]


@pytest.mark.parametrize("cache", [False, True])
def test_with_the_cache_any_user_can_become_another_before_26_07(
    program: RecordingProgram, cache: bool
) -> None:
    """The first login fills the cache. RFC 4616: ``authzid NUL authcid NUL password``."""
    with Ejabberd(program.command_line, auth_use_cache=cache) as server:
        for identity, user in IDENTITIES:
            if cache and VERSION < (26, 7) and user is None:
                user = "bob"
            with RawStream(server.c2s_port, "example.org") as stream:
                outcome = stream.answer("PLAIN", identity + b"\0alice\0good")
                assert outcome == ("success" if user else "failure"), identity
                if user:
                    assert stream.bind().startswith(f"{user}@example.org/"), identity


@pytest.mark.parametrize("disabled", [False, True])
def test_a_client_certificate_logs_in_a_user_that_the_program_does_not_know(
    tmp_path: Path, program: RecordingProgram, certificates: Certificates, disabled: bool
) -> None:
    (port,) = free_ports(1)
    server = Ejabberd(program.command_line, options=certificates.options)
    server.config["listen"].append(c2s_listener(port, tls=True, tls_verify=True))
    if disabled:
        server.config["disable_sasl_mechanisms"] = ["EXTERNAL"]
    with server:
        context = certificates.client("nobody@example.org")
        with RawStream(port, "example.org", context=context) as stream:
            answer = stream.answer("EXTERNAL", b"")
    assert answer == ("failure" if disabled else "success")
    assert program.new_requests() == []
    assert ("client-certificates" in findings_by_id(server.write_config(tmp_path))) != disabled


@pytest.mark.skipif(VERSION < (24, 12), reason="this ejabberd has no mod_auth_fast")
def test_a_fast_token_is_accepted_without_a_request_and_renews_itself(
    tmp_path: Path, program: RecordingProgram, certificates: Certificates
) -> None:
    """XEP-0484: the first login uses the password, each later one an HMAC with the token."""
    (port,) = free_ports(1)
    modules = {**MODULES, "mod_auth_fast": {}}
    options = {**certificates.options, "disable_sasl_mechanisms": ["X-OAUTH2"]}
    server = Ejabberd(program.command_line, modules=modules, options=options)
    server.config["listen"].append(c2s_listener(port, tls=True))

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
        program.reply(isuser=1, setpass=1)
        server.api("change_password", user="alice", host="example.org", newpass="new")
        assert bool(log_in(renewed)) == (VERSION < (26, 7))
    assert "mod-auth-fast" in findings_by_id(server.write_config(tmp_path))


def test_an_oauth_client_must_be_registered_since_26_07(program: RecordingProgram) -> None:
    """``oauth_client_id_check`` is ``db`` by default since 26.07, and ``allow`` before."""
    (port,) = free_ports(1)
    server = Ejabberd(program.command_line, options=oauth.OPTIONS)
    server.config["listen"].append(oauth.oauth_listener(port))
    with server:
        assert bool(oauth.request_token(port, "alice@example.org")) == (VERSION < (26, 7))
        oauth.add_client(server)
        assert oauth.request_token(port, "alice@example.org")


def test_an_oauth_token_is_accepted_without_a_request_and_always_over_mqtt(
    tmp_path: Path, program: RecordingProgram
) -> None:
    mqtt_port, http_port = free_ports(2)
    server = Ejabberd(program.command_line, options=oauth.OPTIONS)
    server.config["listen"] += [
        {"port": mqtt_port, "ip": "127.0.0.1", "module": "mod_mqtt"},
        oauth.oauth_listener(http_port),
    ]
    found = findings_by_id(server.write_config(tmp_path))
    assert found.keys() >= {"oauth", "oauth-mqtt"}
    server.config |= {
        "hosts": ["example.org", "open.org"],
        "host_config": {"example.org": yaml.safe_load(found["oauth"].line)},
    }
    with server:
        alice = "alice@example.org"
        assert mqtt_logs_in(mqtt_port, alice, password="good")
        assert not mqtt_logs_in(mqtt_port, alice, password="bad")
        token = oauth.oauth_token(server, http_port, "alice@example.org")
        program.new_requests()
        with RawStream(server.c2s_port, "example.org") as stream:
            assert stream.answer("X-OAUTH2", b"\0alice\0" + token.encode()) == "failure"
        assert mqtt_logs_in(mqtt_port, alice, token=token)
        token = oauth.oauth_token(server, http_port, "alice@open.org")
        assert program.new_requests() == ["auth:alice:open.org:good"]
        with RawStream(server.c2s_port, "open.org") as stream:
            assert stream.answer("X-OAUTH2", b"\0alice\0" + token.encode()) == "success"
        assert program.new_requests() == []
