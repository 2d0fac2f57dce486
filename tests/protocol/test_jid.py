"""Bare JIDs, prepared as ejabberd prepares them."""

import pytest

from extauth_http.protocol.jid import Jid, bare


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alice@example.org", "alice@example.org"),
        ("  Alice@EXAMPLE.org. ", "alice@example.org"),
        ("\N{FULLWIDTH LATIN SMALL LETTER F}ull@example.org", "full@example.org"),
        ("straße@example.org", "strasse@example.org"),
        ("alice@BÜCHER.example", "alice@bücher.example"),
        ("alice@bu\N{COMBINING DIAERESIS}cher.example", "alice@bücher.example"),
        ("alice@xn--bcher-kva.example", "alice@xn--bcher-kva.example"),
        ("\ufeffalice@example.org", "alice@example.org"),
        ("a#1\\40corp.com@example.org", "a#1\\40corp.com@example.org"),
        # Unicode 3.2 does not assign these letters, so ejabberd accepts no name with one.
        ("gro\N{LATIN CAPITAL LETTER SHARP S}@example.org", "gro\u1e9e@example.org"),
        ("\N{GEORGIAN MTAVRULI CAPITAL LETTER AN}@example.org", "\u1c90@example.org"),
    ],
)
def test_a_jid_is_prepared_as_in_ejabberd(text: str, expected: str) -> None:
    assert str(Jid.parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "@example.org",
        "alice@",
        "alice@example.org/phone",
        "a b@example.org",
        "alice:x@example.org",
        "alice@exam ple.org",
        "alice@example@org",
        "al\x1bice@example.org",
        "al\N{RIGHT-TO-LEFT OVERRIDE}ice@example.org",
        "alice\udc80@example.org",
        "a" * 1024 + "@example.org",
        "alice@.",
    ],
)
def test_anything_but_a_bare_jid_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected USER@HOST"):
        Jid.parse(text)


def test_an_error_contains_no_control_character() -> None:
    with pytest.raises(ValueError, match="expected ROOM@SERVICE") as caught:
        Jid.parse("\x1b[2J@example.org", "ROOM@SERVICE")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "full",
    [
        "alice@example.org/Phone",
        "ALICE@example.org",
        "\N{FULLWIDTH LATIN SMALL LETTER A}lice@Example.org/x/y@z",
    ],
)
def test_spellings_of_a_full_jid_have_the_same_bare_jid(full: str) -> None:
    assert bare(full) == "alice@example.org"
