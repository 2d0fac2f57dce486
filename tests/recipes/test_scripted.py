"""Recipes whose service cannot be run here: a scripted service sends the responses that the
documentation of the service or public reports show."""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.integration.service import Request, Service, http
from tests.recipes.recipe import SECRET, Recipe

JSON = "Content-Type: application/json"


def answer(status: int, body: object = None, *headers: str) -> bytes:
    text = "" if body is None else json.dumps(body)
    return http(status, text, *((JSON,) if text else ()), *headers)


def bearer(request: Request) -> str:
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


def is_basic(request: Request, user: str, password: str) -> bool:
    pair = b64encode(f"{user}:{password}".encode()).decode()
    return request.headers.get("authorization") == f"Basic {pair}"


OWNERS = {"alices-token": "alice", "bobs-token": "bob"}
PASSWORDS = {"alice": "wonder:land", "bob": "builder"}


def introspection(
    claims: Callable[[str], dict[str, Any]], issuer: str = "", *, has_client: bool = True
) -> Callable[[Request], bytes]:
    def behave(request: Request) -> bytes:
        named = {"iss": f"http://{request.headers['host']}{issuer}"}
        if has_client and not is_basic(request, "xmpp", SECRET):
            return answer(401, {"error": "invalid_client"})
        owner = OWNERS.get(form(request)["token"])
        return answer(
            200, {"active": True, **named, **claims(owner)} if owner else {"active": False}
        )

    return behave


def userinfo(claims: Callable[[str], dict[str, Any]]) -> Callable[[Request], bytes]:
    def behave(request: Request) -> bytes:
        owner = OWNERS.get(bearer(request))
        return answer(200, claims(owner)) if owner else answer(401, {"message": "Unauthenticated."})

    return behave


def supabase(request: Request) -> bytes:
    if request.headers.get("apikey") != SECRET:
        return answer(401, {"message": "Invalid API key"})
    owner = OWNERS.get(bearer(request))
    if owner is None:
        return answer(403, {"code": 403, "error_code": "bad_jwt", "msg": "invalid JWT"})
    return answer(
        200,
        {"id": "u1", "app_metadata": {"username": owner}, "user_metadata": {"username": "alice"}},
    )


def passport(request: Request) -> bytes:
    sent = form(request)
    if not is_basic(request, "7", SECRET):
        return answer(401, {"error": "invalid_client", "message": "Client authentication failed"})
    user = sent["username"].removesuffix("@example.org")
    if PASSWORDS.get(user) != sent["password"]:
        return answer(400, {"error": "invalid_grant", "error_description": "Incorrect."})
    return answer(200, {"token_type": "Bearer", "expires_in": 60, "access_token": "t"})


def basic_user(request: Request) -> str | None:
    """The user whose name and password are sent."""
    return next((user for user, word in PASSWORDS.items() if is_basic(request, user, word)), None)


def wordpress_password(request: Request) -> bytes:
    user = basic_user(request)
    code = {"code": "incorrect_password", "data": {"status": 401}}
    return answer(200, {"id": 1, "username": user}) if user else answer(401, code)


def wordpress_jwt(request: Request) -> bytes:
    sent = request.json()
    if PASSWORDS.get(sent["username"]) != sent["password"]:
        return answer(
            403, {"code": "[jwt_auth] incorrect_password", "message": "x", "data": {"status": 403}}
        )
    return answer(200, {"token": "eyJ", "user_nicename": sent["username"]})


def nextcloud(request: Request) -> bytes:
    if request.headers.get("ocs-apirequest") != "true":
        return answer(412, {"message": "CSRF check failed"})
    user = basic_user(request)
    if user is None:
        return answer(401, {"ocs": {"meta": {"status": "failure", "statuscode": 997}}})
    data = {"id": user, "enabled": True}
    return answer(200, {"ocs": {"meta": {"status": "ok", "statuscode": 200}, "data": data}})


def oauth2_proxy(request: Request) -> bytes:
    owner = OWNERS.get(bearer(request))
    named = f"X-Auth-Request-Preferred-Username: {owner}"
    return http(202, "", named) if owner else http(401, "Unauthorized")


def login_form(request: Request) -> bytes:
    sent = form(request)
    is_right = PASSWORDS.get(sent["username"]) == sent["password"]
    return http(302, "", f"Location: {'/account' if is_right else '/login?error=1'}")


def keycloak(owner: str) -> dict[str, Any]:
    return {
        "preferred_username": owner,
        "username": owner,
        "sub": "f:1",
        "aud": ["xmpp"],
        "typ": "Bearer",
        "token_type": "Bearer",
        "exp": time.time() + 60,
        "client_id": "web",
    }


def authentik(owner: str) -> dict[str, Any]:
    return {"preferred_username": owner, "sub": "hash", "aud": "xmpp", "scope": "openid profile"}


def hydra(owner: str) -> dict[str, Any]:
    return {
        "sub": "u1",
        "ext": {"username": owner},
        "aud": ["xmpp"],
        "token_use": "access_token",
        "token_type": "Bearer",
    }


@dataclass(frozen=True)
class Row:
    """``alice`` and ``bob`` are right passwords or tokens. ``refused`` is the reason of a wrong
    one, ``other`` that of bob's for alice. ``without_us`` is the reason if our secret is wrong;
    None for a service that does not know this program."""

    behave: Callable[[Request], bytes]
    alice: str
    bob: str
    refused: str
    other: str
    without_us: str | None = None


def tokens(behave: Callable[[Request], bytes], refused: str, without_us: str | None = None) -> Row:
    return Row(behave, "alices-token", "bobs-token", refused, "another_user", without_us)


def passwords(
    behave: Callable[[Request], bytes], refused: str, without_us: str | None = None
) -> Row:
    return Row(behave, PASSWORDS["alice"], PASSWORDS["bob"], refused, refused, without_us)


ROWS = {
    "Keycloak": tokens(
        introspection(keycloak, "/realms/example"), "inactive", "service_auth_refused"
    ),
    "authentik": tokens(
        introspection(authentik, "/application/o/xmpp/"), "inactive", "service_auth_refused"
    ),
    "Ory Hydra": tokens(introspection(hydra, has_client=False), "inactive"),
    "Laravel Passport": passwords(passport, "invalid_grant", "service_auth_refused"),
    "Laravel Sanctum": tokens(
        userinfo(lambda owner: {"id": 1, "name": owner, "email": f"{owner}@x"}), "http_401"
    ),
    "WordPress: application passwords": passwords(wordpress_password, "denied"),
    "WordPress: JWT plugin": passwords(wordpress_jwt, "denied"),
    "Nextcloud": passwords(nextcloud, "denied"),
    "Supabase": tokens(supabase, "denied", "service_auth_refused"),
    "oauth2-proxy": tokens(oauth2_proxy, "http_401"),
    "Mastodon, Pleroma and Akkoma": tokens(
        userinfo(lambda owner: {"id": "1", "username": owner, "acct": owner}), "http_401"
    ),
    "A login form": passwords(login_form, "denied"),
}


@dataclass
class Script:
    """What the service does. Discovery is answered for each issuer."""

    behave: Callable[[Request], bytes]
    url: str = ""
    is_broken: bool = False
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request, connection: Any) -> None:
        path, found, _ = request.target.partition("/.well-known/openid-configuration")
        if found:
            issuer = f"{self.url}{path}"
            slash = "/" * (path == "/application/o/xmpp")
            names = ("introspection", "userinfo", "token")
            endpoints = {f"{name}_endpoint": f"{issuer}/{name}" for name in names}
            connection.sendall(answer(200, {"issuer": f"{issuer}{slash}", **endpoints}))
        elif self.is_broken:
            connection.sendall(http(200, "<html>Maintenance</html>", "Content-Type: text/html"))
        else:
            connection.sendall(self.behave(request))


@pytest.mark.parametrize("name", ROWS)
def test_a_recipe_lets_in_the_right_person_and_nobody_else(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    script = Script(row.behave)
    with Service(script) as service:
        script.url = f"http://localhost:{service.port}"
        with Recipe(name, script.url, tmp_path) as recipe:
            assert recipe.login("alice", row.alice) == ("allow", "allowed")
            assert recipe.login("bob", row.bob) == ("allow", "allowed")
            assert recipe.login("alice", "wrong") == ("deny", row.refused)
            assert recipe.login("alice", row.bob) == ("deny", row.other)


@pytest.mark.parametrize("name", ROWS)
def test_a_recipe_has_no_verdict_if_the_service_is_broken(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    script = Script(row.behave, is_broken=True)
    with Service(script) as service:
        script.url = f"http://localhost:{service.port}"
        with Recipe(name, script.url, tmp_path) as recipe:
            verdict, reason = recipe.login("alice", row.alice)
    # The kind status reads no body; the recipe needs the header of the owner.
    expected = ("deny", "claim_empty") if name == "oauth2-proxy" else ("undecided", "not_an_answer")
    assert (verdict, reason) == expected


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.without_us])
def test_a_wrong_secret_of_ours_lets_nobody_in(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    script = Script(row.behave)
    with Service(script) as service:
        script.url = f"http://localhost:{service.port}"
        with Recipe(
            name, script.url, tmp_path, secret="the-wrong-secret-of-more-than-32-bytes"
        ) as recipe:
            verdict, reason = recipe.login("alice", row.alice)
    assert verdict != "allow"
    assert reason == row.without_us
