"""Lists of users."""

from pathlib import Path

import pytest

from extauth_http.admin.user_list import UserListError, read_users


def unused() -> bytes:
    raise AssertionError("standard input is not read")


def users(content: bytes, folder: Path) -> list[str]:
    file = folder / "list"
    file.write_bytes(content)
    from_file = [str(jid) for jid in read_users(str(file), unused)]
    assert from_file == [str(jid) for jid in read_users("-", lambda: content)]
    return from_file


@pytest.mark.parametrize(
    "content",
    [
        b"alice@example.org\nbob@example.org\n",
        b"alice@example.org\nbob@example.org",
        b"alice@example.org\r\nbob@example.org\r\n",
        b"\xef\xbb\xbfalice@example.org\r\nbob@example.org\r\n",
        b"\xef\xbb\xbf# former users\r\nalice@example.org\r\n\r\n  bob@example.org  \t\r\n",
        b"# all\nalice@example.org # in May\n\n\t#\nbob@example.org\t# in June\n#bob@nowhere",
        b"alice@example.org\nALICE@Example.org\nbob@example.org\nalice@example.org\n",
    ],
)
def test_a_list_is_parsed_in_each_format(content: bytes, tmp_path: Path) -> None:
    assert users(content, tmp_path) == ["alice@example.org", "bob@example.org"]


def test_a_name_can_contain_a_hash_sign(tmp_path: Path) -> None:
    assert users(b"a#1@example.org #2", tmp_path) == ["a#1@example.org"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"alice@example.org\nbob\n", ":2: expected one USER@HOST"),
        (b"alice@example.org\r\n\r\n# x\r\nbob\r\n", ":4: expected one USER@HOST"),
        (b"alice@example.org bob@example.org", ":1: expected one USER@HOST"),
        (b"alice@example.org:swordfish", ":1: expected one USER@HOST"),
        (b"alice@example.org,swordfish@x", ":1: expected one USER@HOST"),
        (b"alice@example.org/phone", ":1: expected one USER@HOST"),
        (b"alice@example.org\rbob@example.org", ":1: expected one USER@HOST"),
        (b"al\x1b[31mice@example.org", ":1: expected one USER@HOST"),
        (b"\x00" * 1000, ":1: expected one USER@HOST"),
        (b"", ": contains no users"),
        (b"# none\n\n", ": contains no users"),
        (b"\xff\xfea\x00", ": not UTF-8 text"),
    ],
)
def test_an_error_names_the_line_without_its_content(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(UserListError) as caught:
        users(content, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'list'}{problem}")
    assert "swordfish" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_an_error_names_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserListError, match="missing: cannot be read: No such file"):
        read_users(str(tmp_path / "missing"), unused)
    with pytest.raises(UserListError, match="Is a directory"):
        read_users(str(tmp_path), unused)
    with pytest.raises(UserListError, match="standard input:1: "):
        read_users("-", lambda: b"nobody")
