"""ejabberd behaves as `extauth-http check` claims in its findings about ejabberd.yml."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.ejabberd_yml.yaml_values import EjabberdYmlError
from extauth_http.check.finding import Level
from tests.check.ejabberd_yml.files import all_findings, findings_by_id
from tests.check.ejabberd_yml.test_whole_files import TO_CHANGE
from tests.e2e.certificates import Certificates
from tests.e2e.ejabberd import MODULES, Ejabberd, c2s_listener, free_ports
from tests.e2e.installation import ROOT, SHIPPED, VERSION
from tests.e2e.raw_stream import RawStream, mechanisms
from tests.e2e.recording_program import RecordingProgram

pytestmark = pytest.mark.e2e
STOCK = ROOT / SHIPPED


@pytest.fixture
def program(tmp_path: Path) -> RecordingProgram:
    return RecordingProgram(tmp_path)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path, trustme.CA())


def test_the_example_of_ejabberd_needs_six_changes() -> None:
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
    tmp_path: Path, program: RecordingProgram
) -> None:
    own = {host: options for host, (options, _) in OFFERED.items() if options}
    server = Ejabberd(program.command_line, hosts=[*OFFERED], options={"host_config": own})
    with server:
        assert {host: mechanisms(server.c2s_port, host) for host in OFFERED} == {
            host: offered for host, (_, offered) in OFFERED.items()
        }
    found = {(each.host, each.id) for each in all_findings(server.write_config(tmp_path))}
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
    tmp_path: Path, program: RecordingProgram
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
    assert findings_by_id(server.write_config(tmp_path)).keys() >= {"plain-hidden", "scram-types"}
    server = Ejabberd(program.command_line, options={"host_config": {"example.org": hidden}})
    with server:
        assert mechanisms(server.c2s_port, "example.org") == {"PLAIN", "X-OAUTH2"}
    assert "plain-hidden" not in findings_by_id(server.write_config(tmp_path))


def test_host_config_replaces_all_modules_and_append_host_config_adds_some(
    tmp_path: Path, program: RecordingProgram
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
    yml = EjabberdYml(server.write_config(tmp_path))
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
    tmp_path: Path, program: RecordingProgram, options: dict[str, Any], twice: bool
) -> None:
    server = Ejabberd(program.command_line)
    del server.config["auth_use_cache"]
    server.config |= options
    with server:
        for _ in range(2):
            assert server.check_password("alice", "example.org", "good")
    logins = [each for each in program.new_requests() if each.startswith("auth:")]
    assert (len(logins) == 2) == twice
    assert ("cache-off" in findings_by_id(server.write_config(tmp_path))) == twice


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
    tmp_path: Path, program: RecordingProgram, lines: str, starts: bool
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
        EjabberdYml(server.write_config(file.parent))
    else:
        with pytest.raises(EjabberdYmlError):
            EjabberdYml(server.write_config(file.parent))


OPEN: list[tuple[dict[str, object], bool]] = [
    # options of a c2s listener, whether it accepts PLAIN without TLS
    ({}, True),
    ({"starttls": True}, True),
    ({"starttls": False, "tls": False}, True),
    ({"starttls": True, "starttls_required": True}, False),
    ({"starttls": False, "starttls_required": "y"}, False),
]


def test_listeners_accept_plain_without_tls_if_check_reports_it(
    tmp_path: Path, program: RecordingProgram, certificates: Certificates
) -> None:
    *ports, bosh = free_ports(len(OPEN) + 1)
    server = Ejabberd(
        program.command_line, modules={**MODULES, "mod_bosh": {}}, options=certificates.options
    )
    for port, (options, _) in zip(ports, OPEN, strict=True):
        server.config["listen"].append(c2s_listener(port, **options))
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
    found = {
        each.id for each in all_findings(server.write_config(tmp_path)) if "listener" in each.id
    }
    assert found == {"listener-plain", "listener-http"}
    places = [
        each.place
        for each in all_findings(server.write_config(tmp_path))
        if each.id == "listener-plain"
    ]
    assert places == [("listen", 0), ("listen", 2), ("listen", 3), ("listen", 4)]
