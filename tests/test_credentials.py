from base64 import b64encode
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.credentials import NEW_PASSWORD, PASSWORD, outputs, shown


@pytest.mark.parametrize(
    "output",
    [
        PASSWORD.encode(),
        repr(PASSWORD.encode()).encode(),
        ascii(PASSWORD).encode(),
        quote(PASSWORD).encode(),
        urlencode({"password": PASSWORD}).encode(),
        PASSWORD.encode().hex().encode(),
        *(b64encode(b"alice:"[:length] + PASSWORD.encode() + b"xyz") for length in range(7)),
    ],
)
def test_a_credential_is_found_in_every_form(output: bytes) -> None:
    assert shown(b"some log " + output + b" line") == {PASSWORD}


def test_no_credential_is_found_in_an_output_without_one() -> None:
    assert shown(b'{"event": "answer", "user": "alice", "password": "********"}') == set()
    assert shown(NEW_PASSWORD.encode() + b" hunter2") == {NEW_PASSWORD, "hunter2"}


def test_streams_and_logs_are_outputs_but_a_configuration_is_not(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("stderr", "log", "sub/ejabberd.log", "extauth-http.toml", "token"):
        (tmp_path / name).touch()
    assert [file.name for file in outputs(tmp_path)] == ["log", "stderr", "ejabberd.log"]
