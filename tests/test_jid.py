import pytest

from extauth_http.jid import Jid, bare


@pytest.mark.parametrize(
    ("text", "user", "host"),
    [
        ("alice@example.org", "alice", "example.org"),
        (" Alice@Example.ORG ", "alice", "example.org"),
        ("ÄNNE@example.org", "änne", "example.org"),
        ("a\\40b@example.org", "a\\40b", "example.org"),
        ("alice@example.org.", "alice", "example.org"),
        (
            "tea room".replace(" ", "-") + "@conference.example.org",
            "tea-room",
            "conference.example.org",
        ),
    ],
)
def test_a_bare_jid_is_taken_as_ejabberd_compares_it(text: str, user: str, host: str) -> None:
    assert Jid.parse(text) == Jid(user, host)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "@example.org",
        "alice@",
        "a b@example.org",
        "a@b@example.org",
        "a:b@example.org",
        "a'b@example.org",
        "a\x00b@example.org",
        "alice@exa mple.org",
        "alice@example.org\nbob@example.org",
        f"{'a' * 1024}@example.org",
    ],
)
def test_what_is_no_jid_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="expected ROOM@SERVICE") as refused:
        Jid.parse(text, "ROOM@SERVICE")
    assert "\x00" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_resource_is_named_as_what_is_too_much() -> None:
    with pytest.raises(ValueError, match="without a resource"):
        Jid.parse("alice@example.org/phone")


def test_a_full_jid_is_compared_without_its_resource() -> None:
    assert bare("Alice@example.org/a/b@c") == str(Jid("alice", "example.org"))
