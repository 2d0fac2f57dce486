from extauth_http.protocol import parse


def test_a_password_may_hold_colons() -> None:
    assert parse(b"auth:alice:example.org:a:b:c").password == "a:b:c"
