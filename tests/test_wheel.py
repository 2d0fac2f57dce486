"""What an operator installs: the wheel, in an environment that contains nothing else."""

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.installed_wheel import CHECKOUT, build_wheel, install_wheel
from tests.integration.program import ALLOW, DENY, auth
from tests.integration.service import Service
from tests.service.processes import FakeService, password_decides, reply_with

ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_wheel(wheel, tmp_path_factory.mktemp("installed"))


def run(
    installed: Path, *arguments: str | Path, stdin: bytes = b"", folder: Path = Path("/")
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [installed, *arguments], input=stdin, capture_output=True, cwd=folder, env=ENVIRONMENT
    )


def test_the_wheel_contains_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        script = {name for name in names if name.endswith(".data/scripts/extauth-http")}
    source = CHECKOUT / "src"
    expected = {
        str(file.relative_to(source))
        for file in (source / "extauth_http").rglob("*")
        if file.suffix == ".py" or file.name == "py.typed"
    }
    assert names - script == expected
    assert len(script) == 1


def test_the_installed_program_answers_packets(installed: Path, tmp_path: Path) -> None:
    config = tmp_path / "extauth-http.toml"
    with Service(password_decides) as service:
        config.write_text(f'[backend]\nkind = "rest"\nurl = "{service.url}"\n')
        packets = auth(password="right") + auth(password="wrong")
        done = run(installed, "--config", config, stdin=packets)
    assert (done.returncode, done.stdout) == (0, ALLOW + DENY), done.stderr.decode()


def test_the_installed_relay_passes_packets_on(installed: Path, tmp_path: Path) -> None:
    with FakeService(tmp_path / "s", reply_with(ALLOW)):
        done = run(installed, "relay", "--socket", tmp_path / "s", stdin=auth())
    assert (done.returncode, done.stdout) == (0, ALLOW), done.stderr.decode()


def test_the_installed_check_reads_a_complete_ejabberd_yml(installed: Path, tmp_path: Path) -> None:
    config = tmp_path / "extauth-http.toml"
    yml = tmp_path / "ejabberd.yml"
    yml.write_text("hosts: [example.org]\nauth_method: [external]\nauth_use_cache: false\n")
    with Service() as service:
        config.write_text(f'[backend]\nkind = "rest"\nurl = "{service.url}"\n')
        done = run(installed, "--config", config, "check", "--ejabberd-yml", yml)
    assert b"Virtual host example.org" in done.stdout, done.stderr.decode()


@pytest.mark.parametrize(
    "command", ["init", "replay", "stats", "check", "serve", "relay", "user", "room", "signals"]
)
def test_each_installed_command_has_help(installed: Path, command: str) -> None:
    done = run(installed, command, "--help")
    assert (done.returncode, done.stderr) == (0, b"")
