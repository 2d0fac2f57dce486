"""Which program ejabberd starts, and what it sends, as `extauth-http check` and the docs claim."""

import shlex
import sys
import time
from pathlib import Path

import pytest

from extauth_http.check.ejabberd_yml.keywords import Environment
from extauth_http.check.ejabberd_yml.parser import EjabberdYml
from extauth_http.check.finding import Level
from extauth_http.ejabberd_api.releases import Release
from tests.check.ejabberd_yml.files import all_findings, findings_by_id
from tests.e2e.ejabberd import MODULES, Ejabberd, c2s_listener, free_ports, out_of
from tests.e2e.installation import ROOT, VERSION
from tests.e2e.raw_stream import RawStream
from tests.e2e.recording_program import RecordingProgram

pytestmark = pytest.mark.e2e

RECORDS_ARGUMENTS = """
import sys
with open(sys.argv[1], "w") as file:
    file.write("\\n".join(sys.argv[2:]))
sys.stdin.read()
"""
KEYWORDS = ("HOME", "CONFIG_PATH", "VERSION", "SEMVER", "HOST", "HOST_URL_ENCODE")
"""Those whose value does not depend on how ejabberd was installed."""


def test_a_keyword_is_replaced_as_check_replaces_it(tmp_path: Path) -> None:
    script, arguments = tmp_path / "program.py", tmp_path / "arguments"
    script.write_text(RECORDS_ARGUMENTS)
    words = [sys.executable, str(script), str(arguments), *(f"@{each}@" for each in KEYWORDS)]
    server = Ejabberd(shlex.join(words))
    with server:
        server.whole_pool()
        while not arguments.exists() or not arguments.read_text():
            time.sleep(0.05)
        received = arguments.read_text().splitlines()
        file = server.folder / "ejabberd.yml"
        environment = Environment(Release(*VERSION), str(server.folder))
        option = EjabberdYml(file, environment).option("example.org", "extauth_program")
        found = findings_by_id(file, environment)
    assert option is not None
    assert shlex.split(option.value.plain)[-len(KEYWORDS) :] == received
    assert "keyword" in found


@pytest.mark.parametrize("hosts", [["a.org", "b.org"], ["b.org", "a.org"]])
def test_the_first_host_of_the_alphabet_starts_the_program_of_a_pool(
    tmp_path: Path, hosts: list[str]
) -> None:
    programs = {}
    for host in hosts:
        (tmp_path / host).mkdir()
        programs[host] = RecordingProgram(tmp_path / host)
    sizes = {"a.org": 2, "b.org": 3}
    own = {
        host: {
            "extauth_program": out_of(ROOT, programs[host].command_line),
            "extauth_pool_size": sizes[host],
        }
        for host in hosts
    }
    server = Ejabberd(
        "false",
        hosts=hosts,
        extauth_pool_size=2,
        options={"extauth_pool_name": "shared", "host_config": own},
    )
    with server:
        assert len(server.whole_pool()) == 2
        for host in hosts:
            assert server.check_password("alice", host, "good")
        file = server.write_config(tmp_path)
    requests = programs["a.org"].new_requests()
    assert sorted(requests) == ["auth:alice:a.org:good", "auth:alice:b.org:good"]
    assert programs["b.org"].new_requests() == []
    found = [each.found for each in all_findings(file) if each.level is Level.BROKEN]
    assert any("starts the extauth_program of a.org" in each for each in found)


def test_mod_fail2ban_bans_after_logins_without_an_answer(tmp_path: Path) -> None:
    program = RecordingProgram(tmp_path)
    program.reply(auth=2)
    limit = {"mod_fail2ban": {"c2s_max_auth_failures": 2}}
    server = Ejabberd(program.command_line, modules={**MODULES, **limit})
    with server:
        with RawStream(server.c2s_port, "example.org") as stream:
            assert stream.answer("PLAIN", b"\0alice\0good") == "failure"
        with (
            RawStream(server.c2s_port, "example.org") as stream,
            pytest.raises(EOFError, match="Too many"),
        ):
            stream.answer("PLAIN", b"\0alice\0good")
        program.reply()
        assert is_banned(server)
        server.api("unban_ip", address="127.0.0.1")
        assert not is_banned(server)
    assert "mod-fail2ban" in findings_by_id(server.write_config(tmp_path))


def is_banned(server: Ejabberd) -> bool:
    try:
        with RawStream(server.c2s_port, "example.org") as stream:
            return "urn:ietf:params:xml:ns:xmpp-sasl" not in stream.features
    except EOFError:
        return True


def test_an_access_rule_with_an_address_counts_after_the_password(tmp_path: Path) -> None:
    """The program never learns the address. ejabberd refuses the session, not the login."""
    (port,) = free_ports(1)
    program = RecordingProgram(tmp_path)
    rules = {"inside": [{"allow": [{"ip": "192.0.2.0/24"}]}]}
    server = Ejabberd(program.command_line, options={"access_rules": rules})
    server.config["listen"].append(c2s_listener(port, starttls=False, access="inside"))
    with server, RawStream(port, "example.org") as stream:
        assert stream.answer("PLAIN", b"\0alice\0good") == "success"
        assert program.new_requests() == ["auth:alice:example.org:good"]
        with pytest.raises(AssertionError, match="<not-allowed"):
            stream.bind()
