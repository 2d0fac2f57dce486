"""Limits of ejabberd's listener for clients, which differ between the releases."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.ejabberd import Ejabberd, c2s_listener, free_ports
from tests.e2e.installation import VERSION
from tests.e2e.raw_stream import RawStream
from tests.e2e.recording_program import RecordingProgram

pytestmark = pytest.mark.e2e
LIMIT = {"pre_auth_max_stanza_size": 65536}
HAS_LIMIT = VERSION >= (26, 7)


def accepts(port: int, size: int) -> bool:
    """Whether a PLAIN login with a password of so many bytes succeeds."""
    try:
        with RawStream(port, "example.org") as stream:
            return stream.answer("PLAIN", b"\0alice\0" + b"x" * size) == "success"
    except (ConnectionError, EOFError):
        return False


def test_long_passwords_need_an_option_on_26_07(tmp_path: Path) -> None:
    program = RecordingProgram(tmp_path)
    program.reply(auth=1)
    (port,) = free_ports(1)
    server = Ejabberd(program.command_line)
    if HAS_LIMIT:
        server.config["listen"].append(c2s_listener(port, **LIMIT))
    with server:
        assert accepts(server.c2s_port, 6_000)
        assert accepts(server.c2s_port, 40_000) is not HAS_LIMIT
        assert not HAS_LIMIT or accepts(port, 40_000)


@pytest.mark.skipif(HAS_LIMIT, reason="this release has the option")
def test_older_releases_do_not_start_with_that_option() -> None:
    server = Ejabberd("cat")
    server.config["listen"][0].update(LIMIT)
    with pytest.raises(RuntimeError, match="pre_auth_max_stanza_size"), server:
        pass


@pytest.mark.skipif(not shutil.which("ss"), reason="ss shows the backlog")
def test_the_backlog_of_23_01_is_5() -> None:
    (port,) = free_ports(1)
    server = Ejabberd("cat")
    server.config["listen"].append(c2s_listener(port, backlog=64))
    with server:
        listening = subprocess.run(["ss", "-ltnH"], capture_output=True, text=True, check=True)
        backlogs = {
            int(local): int(backlog)
            for backlog, local in re.findall(
                r"^LISTEN\s+\d+\s+(\d+)\s+\S+:(\d+)\s", listening.stdout, re.MULTILINE
            )
        }
    assert backlogs[server.c2s_port] == (5 if VERSION < (24, 12) else 128)
    assert backlogs[port] == 64
