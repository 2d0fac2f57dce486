"""Who is meant: a bare JID, prepared as ejabberd prepares it."""

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
        # Letters that Unicode 3.2 did not have, and ejabberd lets nobody have: nobody else's name.
        ("gro\N{LATIN CAPITAL LETTER SHARP S}@example.org", "gro\u1e9e@example.org"),
        ("\N{GEORGIAN MTAVRULI CAPITAL LETTER AN}@example.org", "\u1c90@example.org"),
    ],
)
def test_a_jid_is_compared_as_ejabberd_compares_it(text: str, expected: str) -> None:
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
def test_what_is_no_bare_jid_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected USER@HOST"):
        Jid.parse(text)


def test_an_error_shows_no_control_character() -> None:
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
def test_whose_full_jid_it_is_does_not_hang_on_how_it_is_written(full: str) -> None:
    assert bare(full) == "alice@example.org"
