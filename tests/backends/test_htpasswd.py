"""The htpasswd kind: which lines count, and what makes a file unusable."""

import shutil
import subprocess
from pathlib import Path

import argon2
import bcrypt
import pytest
from pydantic import ValidationError

from extauth_http.backends import htpasswd
from extauth_http.protocol.command import Command, Operation
from tests.decide import decide
from tests.settings import settings_of

PASSWORD = "correct:horse ü"
BCRYPT = bcrypt.hashpw(PASSWORD.encode(), b"$2b$04$" + b"a" * 21 + b"u").decode()
ARGON2 = argon2.PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD, salt=b"0" * 16)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users"


def login(
    file: Path, user: str = "admin", password: str = PASSWORD, operation: Operation = Operation.AUTH
) -> tuple[str, str]:
    command = Command(operation, user, "example.org", password)
    answer = decide(command, kind="htpasswd", file=str(file)).answer
    return answer.verdict.value, answer.reason


@pytest.mark.parametrize("hashed", [BCRYPT, BCRYPT.replace("$2b$", "$2y$"), ARGON2])
@pytest.mark.parametrize("name", ["admin", "Admin", "admin@example.org"])
def test_a_right_password_is_accepted_and_a_wrong_one_refused(
    file: Path, name: str, hashed: str
) -> None:
    file.write_text(f"# administrators\n\n{name}:{hashed}\nother:{BCRYPT}\n")
    assert login(file) == ("allow", "allowed")
    for wrong in ("wrong", PASSWORD + "x", PASSWORD[:-1], hashed):
        assert login(file, password=wrong) == ("deny", "denied")
    assert login(file, password="") == ("deny", "empty_password")
    assert login(file, "administrator") == ("deny", "unknown_user")


def test_a_name_with_a_host_is_for_this_host_only(file: Path) -> None:
    file.write_text(f"admin@example.com:{BCRYPT}\n")
    assert login(file) == ("deny", "unknown_user")


@pytest.mark.skipif(not shutil.which("htpasswd"), reason="Debian's apache2-utils is not installed")
def test_a_file_that_htpasswd_wrote_is_read(file: Path) -> None:
    subprocess.run(["htpasswd", "-cbB", file, "admin", PASSWORD], check=True, capture_output=True)
    assert login(file) == ("allow", "allowed")


def test_a_changed_file_counts_from_the_next_login(file: Path) -> None:
    file.write_text(f"admin:{BCRYPT}\n")
    assert login(file)[0] == "allow"
    file.write_text("")
    assert login(file) == ("deny", "unknown_user")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("admin:swordfish", "line 2: expected a hash of bcrypt or Argon2"),
        ("admin:$apr1$zBPCs1sZ$gVJ.lgDW9NVUCRM2.Wo1u/", "line 2: expected a hash of bcrypt"),
        ("admin:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "line 2: expected a hash of bcrypt"),
        ("admin:", "line 2: expected a hash of bcrypt"),
        (f"admin:{BCRYPT.replace('$04$', '$31$')}", "line 2: expected a bcrypt cost from 4 to 15"),
        (f"admin:{BCRYPT} ", ""),
        (f"admin:{BCRYPT}x", "line 2: expected a hash of bcrypt"),
        (f"admin:{ARGON2.replace('m=64', 'm=9999999')}", "line 2: expected Argon2 with at most"),
        (f"admin:{ARGON2.replace('t=1', 't=9999')}", "line 2: expected Argon2 with at most"),
        (f"admin:{ARGON2[:40]}", "line 2: "),
        (f"admin:{BCRYPT}\nAdmin:{BCRYPT}", "lines 2 and 3 are about the same user"),
        (f"admin:{BCRYPT}\nadmin@example.org:{BCRYPT}", "lines 2 and 3 are about the same user"),
    ],
)
def test_a_line_that_cannot_be_used_is_no_verdict_and_is_named_without_its_content(
    file: Path, line: str, problem: str
) -> None:
    file.write_text(f"other:{BCRYPT}\n{line}\n")
    command = Command(Operation.AUTH, "admin", "example.org", PASSWORD)
    answer = decide(command, kind="htpasswd", file=str(file)).answer
    if not problem:
        assert answer.reason == "allowed"
        return
    assert (answer.verdict.value, answer.reason) == ("undecided", "local_file")
    assert problem in answer.detail
    assert "swordfish" not in answer.detail
    # The line of another user is no reason to refuse this one.
    assert login(file, "other") == ("allow", "allowed")


def test_a_file_that_cannot_be_used_is_no_verdict(file: Path) -> None:
    assert login(file) == ("undecided", "local_file")
    file.write_text(f"admin:{BCRYPT}\n")
    file.chmod(0o666)
    assert login(file) == ("undecided", "local_file")
    file.chmod(0o600)
    file.write_bytes(b"\xff\xfe")
    assert login(file) == ("undecided", "local_file")
    file.write_text(f"admin:{BCRYPT}\n" + "#" * htpasswd.MAX_FILE)
    assert login(file) == ("undecided", "local_file")
    assert login(Path("/dev/zero")) == ("undecided", "local_file")
    assert login(file.parent) == ("undecided", "local_file")


def test_bcrypt_does_not_accept_a_password_by_its_first_72_bytes(file: Path) -> None:
    long = "x" * 72
    hashed = bcrypt.hashpw(long.encode(), bcrypt.gensalt(4)).decode()
    file.write_text(f"admin:{hashed}\n")
    assert login(file, password=long)[0] == "allow"
    assert login(file, password=long + "y") == ("deny", "denied")
    assert login(file, password="x\0y") == ("deny", "denied")


def test_an_unknown_name_costs_as_much_as_a_known_one(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []

    def matches(entry: htpasswd.Entry, _: str) -> bool:
        checked.append(entry.name)
        return True

    monkeypatch.setattr(htpasswd, "matches", matches)
    file.write_text(f"admin:{BCRYPT}\nother:{BCRYPT}\n")
    assert login(file, "other") == ("allow", "allowed")
    assert login(file, "nobody") == ("deny", "unknown_user")
    assert checked == ["other", "admin"]


WRITES = [Operation.SETPASS, Operation.TRYREGISTER, Operation.REMOVEUSER, Operation.REMOVEUSER3]


@pytest.mark.parametrize("operation", [*WRITES, Operation.CERTAUTH])
def test_a_user_of_the_file_cannot_be_changed(file: Path, operation: Operation) -> None:
    file.write_text(f"admin:{BCRYPT}\n")
    assert login(file, operation=operation) == ("deny", "unsupported")
    assert login(file, "bob", operation=operation) == ("deny", "unknown_user")


def test_isuser_is_whether_the_name_is_in_the_file(file: Path) -> None:
    file.write_text(f"admin:{BCRYPT}\n")
    assert login(file, operation=Operation.ISUSER) == ("allow", "allowed")
    assert login(file, "bob", operation=Operation.ISUSER) == ("deny", "unknown_user")


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"file": "users"}, "expected an absolute path"),
        ({}, "file"),
        ({"file": "/a", "trust_env": True}, "trust_env: kind htpasswd sends no request"),
        ({"file": "/a", "tls": {}}, "tls: kind htpasswd sends no request"),
    ],
)
def test_a_wrong_key_is_an_error(keys: dict[str, object], error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        settings_of(backend={"kind": "htpasswd", **keys})


def test_the_file_is_not_part_of_the_configuration(file: Path) -> None:
    """Otherwise each change of it would load the configuration again."""
    assert settings_of(backend={"kind": "htpasswd", "file": str(file)}).files() == []
