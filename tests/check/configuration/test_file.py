"""The program's own configuration: each thing that can be wrong with it has a finding."""

import os
from pathlib import Path

import pytest

from extauth_http.check.account import Account
from extauth_http.check.configuration import file as own_config
from extauth_http.check.finding import Finding, Level
from tests.check.findings import bad, ids, one

BACKEND = '[backend]\nkind = "rest"\nurl = "http://127.0.0.1:8080/xmpp"\n'
SECRET = '[backend.service_auth]\nkind = "bearer"\ntoken = "swordfish"\n'
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EXTAUTH_HTTP_")]:
        monkeypatch.delenv(name)


def written(folder: Path, text: str, mode: int = 0o640) -> Path:
    file = folder / "extauth-http.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def found_of(file: Path, account: Account | None, *, for_ejabberd: bool = True) -> list[Finding]:
    return own_config.findings(file, account, for_ejabberd=for_ejabberd)[1]


GOOD = [
    (BACKEND, {"config-valid", "config-readable", "dialect-ejabberd", "deadline-below"}),
    (BACKEND + SECRET, {"secrets"}),
    ("[log]\nfile = '{folder}/log'\n" + BACKEND, {"log-writable"}),
    (BACKEND.replace("http://127.0.0.1", "https://auth.example.org"), {"config-valid"}),
]


@pytest.mark.parametrize(("text", "expected"), GOOD)
def test_what_is_good_is_said_to_be(
    tmp_path: Path, account: Account, text: str, expected: set[str]
) -> None:
    found = found_of(written(tmp_path, text.format(folder=tmp_path)), account)
    assert expected <= ids(found)
    assert not bad(found)


BAD = [
    ("deadline = 40\n" + BACKEND, "config-invalid", "deadline = 8.0"),
    ("no = 1\n" + BACKEND, "config-invalid", ""),
    ("[backend\n", "config-invalid", ""),
    (f"a = {'[' * 9000}", "config-invalid", ""),
    (f"a = {'9' * 5000}", "config-invalid", ""),
    ("", "config-invalid", ""),
    ("deadline = 20\n" + BACKEND, "deadline-long", "deadline = 8.0"),
    ('dialect = "boolean"\n' + BACKEND, "dialect", 'dialect = "ejabberd"'),
    (
        BACKEND.replace("127.0.0.1", "auth.example.org"),
        "config-plain-http",
        'url = "https://auth.example.org:8080/xmpp"',
    ),
    (
        "[log]\nfile = '/nowhere/log'\n" + BACKEND,
        "log-unwritable",
        "install -d -o {user} -g {group} -m 750 /nowhere",
    ),
]


@pytest.mark.parametrize(("text", "identity", "line"), BAD)
def test_what_is_wrong_is_named_with_the_line_to_write(
    tmp_path: Path, account: Account, text: str, identity: str, line: str
) -> None:
    found = found_of(written(tmp_path, text), account)
    assert bad(found) == {identity}
    assert one(found, identity).line == line.format(user=account.name, group=account.group)


def test_a_missing_one_is_named_with_the_smallest_that_works(
    tmp_path: Path, account: Account
) -> None:
    (finding,) = found_of(tmp_path / "nowhere.toml", account)
    assert finding.id == "config-missing"
    assert "nowhere.toml is not there" in finding.found
    assert not bad(found_of(written(tmp_path, finding.line), account))


def test_the_dialects_of_mongooseim_are_good_without_ejabberd(
    tmp_path: Path, account: Account
) -> None:
    boolean = 'dialect = "boolean"\n'
    found = found_of(written(tmp_path, boolean + BACKEND), account, for_ejabberd=False)
    assert "dialect-boolean" in ids(found)
    assert not bad(found)
    found = found_of(
        written(tmp_path, boolean + "deadline = 10\n" + BACKEND), account, for_ejabberd=False
    )
    assert bad(found) == {"deadline"}


@pytest.mark.parametrize("secret", ["inline", "file", "key"])
def test_a_secret_that_everybody_may_read_is_named_by_its_file(
    tmp_path: Path, account: Account, secret: str
) -> None:
    held = tmp_path / "secret"
    held.write_text("swordfish")
    held.chmod(0o644)
    text = BACKEND + SECRET
    if secret == "file":
        text = text.replace("token =", "token_file =").replace("swordfish", str(held))
    elif secret == "key":
        import trustme

        trustme.CA().issue_cert("x").private_key_and_cert_chain_pem.write_to_path(str(held))
        text = BACKEND + f"[backend.tls]\nclient_cert = '{held}'\n"
    file = written(tmp_path, text, 0o644)
    open_one = file if secret == "inline" else held
    found = found_of(file, account)
    assert bad(found) == {"secret-readable"}
    assert str(open_one) in one(found, "secret-readable").found
    assert os.system(one(found, "secret-readable").line) == 0
    assert not bad(found_of(file, account))
    assert "swordfish" not in str(found)


def test_what_a_service_reads_need_not_be_for_ejabberd(tmp_path: Path) -> None:
    file = written(tmp_path, "[log]\nfile = '/nowhere/log'\n" + BACKEND + SECRET, 0o604)
    found = found_of(file, None)
    assert bad(found) == {"secret-readable"}
    assert os.system(one(found, "secret-readable").line) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert not bad(found_of(file, None))


def test_a_configuration_that_everybody_may_write_is_broken(
    tmp_path: Path, account: Account
) -> None:
    file = written(tmp_path, BACKEND, 0o666)
    finding = one(found_of(file, account), "config-writable")
    assert finding.level is Level.BROKEN
    assert os.system(finding.line) == 0
    assert not bad(found_of(file, account))


@AS_ROOT
def test_what_ejabberd_cannot_read_is_mended_by_the_line(public: Path) -> None:
    nobody = Account("nobody")
    file = written(public, BACKEND, 0o600)
    finding = one(found_of(file, nobody), "config-unreadable")
    assert os.system(finding.line) == 0
    assert "config-readable" in ids(found_of(file, nobody))


@AS_ROOT
def test_a_folder_that_ejabberd_cannot_get_into_is_named(public: Path) -> None:
    closed = public / "closed"
    closed.mkdir(mode=0o700)
    finding = one(found_of(written(closed, BACKEND), Account("nobody")), "config-folder")
    assert f"nobody cannot get into {closed}" in finding.found
    assert "/etc/ejabberd/extauth-http.toml" in finding.line


@AS_ROOT
def test_a_log_that_ejabberd_cannot_write_is_mended_by_the_line(public: Path) -> None:
    nobody = Account("nobody")
    log = public / "extauth.log"
    file = written(public, f"[log]\nfile = '{log}'\n" + BACKEND, 0o644)
    finding = one(found_of(file, nobody), "log-unwritable")
    assert os.system(finding.line) == 0
    assert not bad(found_of(file, nobody))


@AS_ROOT
def test_a_log_in_a_folder_that_ejabberd_cannot_get_into_is_to_be_another(public: Path) -> None:
    closed = public / "closed"
    closed.mkdir(mode=0o700)
    (closed / "extauth.log").touch()
    file = written(public, f"[log]\nfile = '{closed}/extauth.log'\n" + BACKEND, 0o644)
    finding = one(found_of(file, Account("nobody")), "log-unwritable")
    assert finding.line == 'file = "/var/log/ejabberd/extauth.log"'


def test_a_relative_name_is_one_of_this_folder(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, BACKEND)
    monkeypatch.chdir(tmp_path)
    assert not bad(found_of(Path("extauth-http.toml"), account))


def test_who_is_not_root_is_told_what_cannot_be_known(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.can_become = False
    found = found_of(written(tmp_path, BACKEND), account)
    assert bad(found) == {"config-readable-unknown"}


def test_variables_that_ejabberd_may_not_have_are_named(
    tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTAUTH_HTTP_BACKEND__URL", "http://127.0.0.1:1/swordfish")
    found = found_of(written(tmp_path, BACKEND), account)
    assert one(found, "config-environment").line == "unset EXTAUTH_HTTP_BACKEND__URL"
    assert "swordfish" not in str(found)
