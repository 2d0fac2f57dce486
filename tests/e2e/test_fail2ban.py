"""The example filter for fail2ban, on the log of a real ejabberd."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.ejabberd import Ejabberd
from tests.e2e.xmpp import logs_in

pytestmark = pytest.mark.e2e
FILTER = Path(__file__).parents[2] / "examples/fail2ban/filter.d/ejabberd-extauth.conf"
REFUSED = "Failed c2s PLAIN authentication"

MEMBER = """
import struct, sys
while length := sys.stdin.buffer.read(2):
    packet = sys.stdin.buffer.read(*struct.unpack(">H", length))
    password = packet.rpartition(b":")[2]
    sys.stdout.buffer.write(struct.pack(">HH", 2, {b"yes": 1, b"no": 0}.get(password, 2)))
    sys.stdout.buffer.flush()
"""


def log_of_logins(folder: Path, logins: Sequence[str]) -> str:
    """The log of a real ejabberd after these logins, one after the other."""
    member = folder / "member.py"
    member.write_text(MEMBER)
    with Ejabberd(f"{sys.executable} {member}") as ejabberd:
        for password in logins:
            assert logs_in(ejabberd, "alice@example.org", password) is (password == "yes")
        refused = len(logins) - logins.count("yes")
        until = time.monotonic() + 20
        while ejabberd.log().count(REFUSED) < refused and time.monotonic() < until:
            time.sleep(0.05)
        log = ejabberd.log()
    assert log.count(REFUSED) == refused
    return log


def counted_by_fail2ban(program: str, folder: Path, log: str) -> int:
    file = folder / "ejabberd.log"
    file.write_text(log)
    # fail2ban uses the Python of the system, so it needs an environment of its own.
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [program, file, FILTER], capture_output=True, text=True, check=True, env=environment
    )
    found = re.search(r"Failregex: (\d+) total", done.stdout)
    assert found, done.stdout
    return int(found[1])


def counted_in_python(log: str) -> int:
    """Matches as fail2ban does: each line without its date, after the lines that did not match."""
    parser = configparser.ConfigParser()
    parser.read(FILTER)
    definition = parser["Definition"]
    failure = re.compile(definition["failregex"].replace("<ADDR>", r"[\d.:a-f]+"), re.MULTILINE)
    date = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+[+-]\d\d:\d\d")
    kept: list[str] = []
    count = 0
    for line in log.splitlines():
        kept = [*kept, date.sub("", line)][-int(definition["maxlines"]) :]
        if failure.search("\n".join(kept)):
            kept = []
            count += 1
    return count


@pytest.mark.parametrize(
    ("logins", "bans"),
    [
        (["yes"], 0),
        (["no", "yes", "no", "no"], 3),
        (["undecided"], 0),
        (["undecided", "no"], 0),
        (["no", "undecided", "undecided", "no"], 1),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_only_a_wrong_credential_counts_for_fail2ban(
    tmp_path: Path, logins: list[str], bans: int
) -> None:
    log = log_of_logins(tmp_path, logins)
    assert counted_in_python(log) == bans
    if program := shutil.which("fail2ban-regex"):
        assert counted_by_fail2ban(program, tmp_path, log) == bans


def test_an_outage_that_is_over_is_forgotten() -> None:
    error = (
        "2026-01-01 00:00:00.000000+00:00 [error] <0.9.0>@ejabberd_auth_external:failure/4:103 x"
    )
    other = "2026-01-01 00:00:01.000000+00:00 [info] <0.9.0>@ejabberd_listener:accept/7:273 x"
    refused = (
        "2026-01-01 00:00:02.000000+00:00 [warning] <0.9.0>@ejabberd_c2s:process_auth_result/3:280 "
        "(tls|<0.9.0>) Failed c2s PLAIN authentication for a@example.org from ::ffff:192.0.2.1: "
        "Invalid username or password"
    )
    assert counted_in_python("\n".join([error, *[other] * 48, refused])) == 0
    assert counted_in_python("\n".join([error, *[other] * 49, refused])) == 1
