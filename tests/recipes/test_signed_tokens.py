"""Recipes of the kind jwt: the signatures are real, the issuer is scripted."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.integration.service import Request, Service, http
from tests.recipes.recipe import SECRET, Recipe
from tests.signals.issuers import RSA
from tests.signals.tokens import jwks

SIGNED = {
    "Auth0": {"https://example.org/username": "alice", "aud": "https://xmpp.example.org"},
    "Entra ID": {
        "preferred_username": "alice@example.org",
        "aud": "11111111-1111-1111-1111-111111111111",
        "tid": "00000000-0000-0000-0000-000000000000",
        "ver": "2.0",
    },
    "PostgREST": {"sub": "alice", "aud": "xmpp", "role": "user"},
}


@pytest.fixture
def keys() -> Iterator[Service]:
    def behave(request: Request, connection: Any) -> None:
        path, found, _ = request.target.partition("/.well-known/openid-configuration")
        base = f"http://{request.headers['host']}"
        document = {"issuer": f"{base}{path or '/'}", "jwks_uri": f"{base}/keys"}
        connection.sendall(http(200, json.dumps(document) if found else jwks(RSA)))

    with Service(behave) as service:
        yield service


@pytest.mark.parametrize("name", SIGNED)
def test_a_recipe_for_signed_tokens_lets_in_their_owner_alone(
    name: str, keys: Service, tmp_path: Path
) -> None:
    with Recipe(name, f"http://localhost:{keys.port}", tmp_path) as recipe:

        def token(**changes: Any) -> str:
            claims = {**SIGNED[name], "iss": recipe.issuer, "exp": time.time() + 60, **changes}
            if name == "PostgREST":
                return jwt.encode(claims, changes.pop("key", SECRET), "HS256")
            return RSA.sign(claims, "JWT")

        assert recipe.login("alice", token()) == ("allow", "allowed")
        assert recipe.login("bob", token()) == ("deny", "another_user")
        assert recipe.login("alice", token(aud="another")) == ("deny", "wrong_audience")
        assert recipe.login("alice", token(iss="https://evil.example")) == ("deny", "wrong_issuer")
        assert recipe.login("alice", token(exp=1)) == ("deny", "expired")
        assert recipe.login("alice", token(nonce="n")) == ("deny", "not_an_access_token")
        assert recipe.login("alice", token()[:-4] + "AAAA") == ("deny", "signature")
        assert recipe.login("alice", "wonder:land") == ("deny", "not_a_token")
        if name == "Entra ID":
            assert recipe.login("alice", token(tid="another")) == ("deny", "claim_required")
            assert recipe.login("alice", token(), "example.com") == ("deny", "another_user")
