"""``extauth-http init`` as a process, with options and at a terminal."""

import os
import pty
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.check.checking import ME
from tests.credentials import PASSWORD, shown
from tests.integration.program import ALLOW, DENY, EXECUTABLE, auth
from tests.integration.service import Service, answering, http
from tests.service.processes import ENVIRONMENT

SECONDS = 60
NO = http(200, '{"result": false}')


def init(
    config: Path, *options: str | Path, secret: str = ""
) -> subprocess.CompletedProcess[bytes]:
    command: list[str | Path] = [
        EXECUTABLE,
        "--config",
        config,
        "init",
        "--non-interactive",
        "--run-as",
        ME,
    ]
    return subprocess.run(
        [*command, *options],
        input=f"{secret}\n".encode() * bool(secret),
        capture_output=True,
        env=ENVIRONMENT,
        timeout=SECONDS,
        check=False,
    )


def program(config: Path, packets: bytes) -> bytes:
    command: list[str | Path] = [EXECUTABLE, "--config", config]
    done = subprocess.run(command, input=packets, capture_output=True, env=ENVIRONMENT, check=True)
    return done.stdout


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "extauth-http.toml"


def test_the_program_runs_with_the_configuration_that_it_writes(config: Path) -> None:
    with Service(answering(NO)) as service:
        done = init(config, "--kind", "rest", "--url", service.url, "--host", "example.org")
        assert done.returncode == 0, done.stderr.decode()
        service.behave = answering(http(200, '{"result": true}'))
        packets = auth() + auth(host="other.example")
        assert program(config, packets) == ALLOW + DENY
    output = done.stdout.decode()
    assert f'extauth_program: "{EXECUTABLE} --config {config}"' in output
    assert '"example.org":' in output
    assert "auth_use_cache: false" in output


def test_a_new_secret_is_read_from_standard_input_and_never_shown(config: Path) -> None:
    with Service(answering(NO)) as service:
        options = ("--url", service.url, "--service-auth", "bearer")
        done = init(config, *options, secret=PASSWORD)
        assert done.returncode == 0, done.stderr.decode()
        assert program(config, auth()) == DENY
        sent = {request.headers.get("authorization") for request in service.requests}
    secret_file = config.with_name("extauth-http.secret")
    assert secret_file.read_text() == f"{PASSWORD}\n"
    assert len(sent) == 1
    assert None not in sent
    assert not shown(done.stdout + done.stderr + config.read_bytes())


def test_an_existing_secret_is_used_and_kept(config: Path, tmp_path: Path) -> None:
    secret_file = tmp_path / "service.token"
    secret_file.write_text("swordfish")
    with Service(answering(NO)) as service:
        options = ("--url", service.url, "--service-auth", "bearer", "--secret-file", secret_file)
        done = init(config, *options)
        assert done.returncode == 0, done.stderr.decode()
        assert service.requests[0].headers["authorization"] == "Bearer swordfish"
    assert secret_file.read_text() == "swordfish"


def test_an_existing_configuration_is_replaced_only_with_the_option(config: Path) -> None:
    config.write_text("# mine\n")
    with Service(answering(NO)) as service:
        done = init(config, "--url", service.url)
        assert done.returncode == 2
        assert b"--overwrite" in done.stderr
        assert config.read_text() == "# mine\n"
        assert not service.requests
        assert init(config, "--url", service.url, "--overwrite").returncode == 0
    assert "[backend]" in config.read_text()


UNUSABLE = [
    (http(200, '{"result": true}'), "the service lets everyone log in"),
    (http(500), "Problems found"),
]


@pytest.mark.parametrize(("response", "message"), UNUSABLE)
def test_nothing_is_written_if_the_service_gives_no_usable_response(
    config: Path, response: bytes, message: str
) -> None:
    with Service(answering(response)) as service:
        done = init(config, "--url", service.url, "--service-auth", "bearer", secret=PASSWORD)
    assert done.returncode == 2
    assert message in done.stdout.decode()
    assert b"Nothing was written" in done.stderr
    assert os.listdir(config.parent) == []


def test_without_the_test_no_request_is_sent(config: Path) -> None:
    with Service(answering(NO)) as service:
        done = init(config, "--url", service.url, "--skip-test")
        assert done.returncode == 0
        assert not service.connections


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "backend.url: required key is missing"),
        (("--url", "service"), "backend.url:"),
        (("--kind", "userinfo", "--url", "https://a.example/", "--file", "/x"), "backend.file:"),
        (("--url", "https://a.example/", "--host", "a b"), "--host: expected a host"),
        (("--kind", "jsxc", "--url", "https://a.example/"), "no secret given"),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error(
    config: Path, options: tuple[str, ...], message: str
) -> None:
    done = init(config, *options)
    assert done.returncode == 2
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert os.listdir(config.parent) == []


def test_without_a_terminal_it_names_the_option(config: Path) -> None:
    command: list[str | Path] = [EXECUTABLE, "--config", config, "init"]
    done = subprocess.run(command, input=b"", capture_output=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 2
    assert b"--non-interactive" in done.stderr


class Terminal:
    """A process at a terminal, and all that it has written."""

    def __init__(self, *command: str | Path) -> None:
        self.output = b""
        self._searched = 0
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:  # pragma: no cover - becomes the program
            os.execve(command[0], list(map(str, command)), {**ENVIRONMENT, "TERM": "dumb"})

    def answer(self, question: str, text: str) -> None:
        """Waits for a question, and types an answer."""
        due = time.monotonic() + SECONDS
        while question.encode() not in self.output[self._searched :]:
            assert time.monotonic() < due, self.output.decode()
            self.output += os.read(self._terminal, 4096)
        self._searched = self.output.index(question.encode(), self._searched) + len(question)
        if "Secret" in question:
            self._wait_for_echo_off(due)
        os.write(self._terminal, text.encode() + b"\n")

    def _wait_for_echo_off(self, due: float) -> None:
        while termios.tcgetattr(self._terminal)[3] & termios.ECHO:
            assert time.monotonic() < due
            time.sleep(0.01)

    def exit_code(self) -> int:
        try:
            while data := os.read(self._terminal, 4096):
                self.output += data
        except OSError:  # the other end is closed
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def test_at_a_terminal_it_asks_until_the_answers_work(config: Path) -> None:
    with Service(answering(http(500))) as service:
        terminal = Terminal(EXECUTABLE, "--config", config, "init", "--run-as", ME)
        terminal.answer("Kind of service", "soap")
        terminal.answer("expected one of", "rest")
        terminal.answer("URL of the service", "http://127.0.0.1:1/")
        terminal.answer("although it cannot be reached?", "n")
        terminal.answer("URL of the service", service.url)
        terminal.answer("How this program authenticates", "header")
        terminal.answer("Name of the header", "X-Api-Key")
        terminal.answer("Virtual hosts", "Example.org")
        terminal.answer("Log file", "x.log")
        terminal.answer("expected an absolute path", "/var/log/x.log")
        terminal.answer("File of the secret", "")
        terminal.answer("Secret, to be written", PASSWORD)
        terminal.answer("in spite of these problems?", "n")
        service.behave = answering(NO)
        terminal.answer("Change the answers?", "y")
        for question in ("Kind", "URL of", "How this", "Name of", "Virtual", "Log file", "File of"):
            terminal.answer(question, "")
        terminal.answer("Secret, to be written", PASSWORD)
        code = terminal.exit_code()
    assert code == 0, terminal.output.decode()
    assert '[hosts."example.org".backend]' in config.read_text()
    assert 'name = "X-Api-Key"' in config.read_text()
    assert 'file = "/var/log/x.log"' in config.read_text()
    assert config.with_name("extauth-http.secret").read_text() == f"{PASSWORD}\n"
    assert not shown(terminal.output)


def test_at_a_terminal_it_asks_before_it_replaces_a_configuration(config: Path) -> None:
    config.write_text("# mine\n")
    terminal = Terminal(EXECUTABLE, "--config", config, "init", "--run-as", ME)
    terminal.answer("Replace it?", "")
    assert terminal.exit_code() == 1
    assert config.read_text() == "# mine\n"


def test_the_end_of_the_input_writes_nothing(config: Path) -> None:
    terminal = Terminal(EXECUTABLE, "--config", config, "init", "--run-as", ME)
    terminal.answer("Kind of service", "rest")
    terminal.answer("URL of the service", "\x04")
    assert terminal.exit_code() == 2
    assert os.listdir(config.parent) == []
