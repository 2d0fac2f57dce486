"""Error messages of the commands."""

import pytest

from extauth_http.terminal.error_message import print_error


def test_an_error_goes_to_standard_error_and_gives_the_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert print_error("file: not found\nsecond line") == 2
    assert capsys.readouterr() == ("", "extauth-http: file: not found\nsecond line\n")


def test_a_control_character_in_an_error_is_not_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_error("a\x1b[2J\u202eb")
    assert capsys.readouterr().err == "extauth-http: a\ufffd[2J\ufffdb\n"
