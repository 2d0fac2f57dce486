"""Tokens that ejabberd itself issues (``ejabberd_oauth``)."""

import httpx
import pytest

from tests.e2e.ejabberd import Ejabberd
from tests.e2e.installation import VERSION

OPTIONS = {"oauth_access": "all"}
"""The option that allows all users to request a token."""


def oauth_listener(port: int) -> dict[str, object]:
    return {
        "port": port,
        "ip": "127.0.0.1",
        "module": "ejabberd_http",
        "request_handlers": {"/oauth": "ejabberd_oauth"},
    }


def request_token(port: int, jid: str) -> str | None:
    """A token for logins in exchange for the password ``good``; None if ejabberd issues none."""
    form = {"grant_type": "password", "username": jid, "password": "good"}
    form |= {"scope": "sasl_auth", "client_id": "x", "client_secret": "y"}
    try:
        answer = httpx.post(f"http://127.0.0.1:{port}/oauth/token", data=form, trust_env=False)
    except httpx.RemoteProtocolError:
        pytest.skip("OAuth in ejabberd needs Debian's package erlang-p1-oauth2")
    if answer.status_code != httpx.codes.OK:
        return None
    token: str = answer.json()["access_token"]
    return token


def add_client(server: Ejabberd) -> None:
    """Registers the OAuth client of these requests, which ejabberd requires since 26.07."""
    if VERSION >= (26, 7):
        server.api("oauth_add_client_password", client_id="x", client_name="x", secret="y")


def oauth_token(server: Ejabberd, port: int, jid: str) -> str:
    add_client(server)
    token = request_token(port, jid)
    assert token
    return token
