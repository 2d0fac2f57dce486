"""``init`` with a real OAuth provider: what it writes admits the owner of a token."""

from pathlib import Path

import pytest

from tests.credentials import shown
from tests.init.test_command import init, program
from tests.integration.program import ALLOW, DENY, auth
from tests.servers.oauth_provider import CLIENT_ID, CLIENT_SECRET, oauth_provider

CLIENT = ("--client-id", CLIENT_ID)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("introspection", CLIENT), ("userinfo", ()), ("password_grant", CLIENT)],
)
def test_the_configuration_admits_the_user_and_nobody_else(
    tmp_path: Path, kind: str, options: tuple[str, ...]
) -> None:
    config = tmp_path / "extauth-http.toml"
    with oauth_provider() as provider:
        needs_secret = CLIENT_SECRET if options else ""
        place = ("--issuer", provider.issuer)
        if kind == "introspection":  # the provider's discovery document does not name it
            place = ("--url", f"{provider.issuer}/introspect/")
        done = init(config, "--kind", kind, *place, *options, secret=needs_secret)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
        password = "wonder:land" if kind == "password_grant" else provider.token("alice")
        packets = auth(password=password) + auth(user="bob", password=f"{password}x")
        assert program(config, packets) == ALLOW + DENY
    assert CLIENT_SECRET.encode() not in done.stdout + done.stderr + config.read_bytes()
    assert not shown(done.stdout + done.stderr + config.read_bytes())
