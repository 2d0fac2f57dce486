"""Every key of every kind is used: it changes the request or the verdict, or it is an error.

A key that is accepted and then ignored is dangerous: the operator relies on a rule that nobody
applies.
"""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bcrypt
import jwt
import pytest
from pydantic import BaseModel, ValidationError

from extauth_http.backends.registry import BUILT_IN, backend_class
from extauth_http.backends.rest import OperationTable
from extauth_http.config import service_auth
from extauth_http.program.decider import Decider
from extauth_http.protocol.command import Command, Operation
from tests.backends.every_key import BASE, CLAIMS, COMMON, OPERATION
from tests.decide import decide
from tests.integration.service import Request, Service, http, silent
from tests.settings import settings_of


def keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items() if name != "kind"]


def filled(value: Any, service: Service, file: Path) -> Any:
    """The value with the service's URL and the file in it."""
    text = json.dumps(value)
    url = f"http://127.0.0.1:{service.port}"
    text = text.replace("{url}", url).replace("{file}", str(file))
    return json.loads(text.replace("{users}", str(file.with_name("users"))))


def behave(request: Request, connection: socket.socket) -> None:
    if request.target.endswith("openid-configuration"):
        issuer = f"http://{request.headers['host']}/op"
        names = ("introspection", "userinfo", "token", "revocation")
        found = {f"{name}_endpoint": f"{issuer}/{name}" for name in names}
        connection.sendall(http(200, json.dumps({"issuer": issuer, **found})))
    elif "check_password" in request.target:
        connection.sendall(http(200, "true"))
    else:
        connection.sendall(http(200, json.dumps(CLAIMS)))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    with Service(behave) as running, Service(behave) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    hashed = bcrypt.hashpw(b"a-token", bcrypt.gensalt(4)).decode()
    (tmp_path / "users").write_text(f"alice:{hashed}\nalice@x:{hashed}\n")
    return secret


def observed(service: Service, backend: dict[str, Any]) -> list[object]:
    """What the service sees of some commands, and what is decided."""
    service.requests.clear()
    before = len(service.connections)
    found: list[object] = []
    password = "a-token"
    if backend["kind"] == "jwt":
        issuer = f"http://127.0.0.1:{service.port}/op"
        signed = {**CLAIMS, "iss": issuer, "aud": "us", "sub": "alice", "exp": 99_999_999_999}
        password = jwt.encode(signed, "s" * 32, "HS256")
    commands = [
        Command(Operation.AUTH, r"alice\40x", "example.org", password),
        Command(Operation.AUTH, "alice", "example.org", TOKEN_OF_JSXC),
        Command(Operation.AUTH, "alice", "example.org", password),
        Command(Operation.ISUSER, "alice", "example.org"),
    ]
    for command in commands:
        answer = decide(command, **backend).answer
        found.append((answer.verdict, answer.reason))
    for request in service.requests:
        headers = {key: value for key, value in request.headers.items() if key != "x-request-id"}
        found.append((request.method, request.target, headers, request.body))
    return [*found, len(service.connections) - before]


TOKEN_OF_JSXC = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.mark.parametrize(
    ("kind", "key"),
    [(kind, key) for kind in sorted(BUILT_IN) for key in keys_of(backend_class(kind).Settings)],
)
def test_each_key_of_each_kind_is_used_or_refused(
    kind: str, key: str, service: Service, file: Path
) -> None:
    base = {"kind": kind, **filled(BASE[kind], service, file)}
    changed = {**base, key: filled(COMMON[key], service, file)}
    if key.endswith("_file"):
        changed.pop(key.removesuffix("_file"), None)
    if key == "issuer" and kind not in ("jwt", "status"):
        changed.pop("url")
    if key == "issuer" and kind == "jwt":
        changed["issuer"] += "/other"
    if key == "username_claim" and kind == "jwt":
        changed[key] = "nick"
    if key in ("standby", "reuse_connections") and error_of(changed):
        return
    if key == "standby":  # used if nothing answers at url
        base, changed = ({**each, "url": "http://127.0.0.1:1/x"} for each in (base, changed))
    if key == "confirm":
        changed.pop("revocation")
    if key == "jid_unescape" and kind in ("introspection", "jwt", "userinfo"):
        base, changed = ({**each, "username_claim": "nick"} for each in (base, changed))
    if key == "reuse_connections":
        assert connections(service, base) != connections(service, changed)
        return
    if key == "breaker_limit":
        service.behave = silent
        assert error_of(changed) or "service_hangs" in reasons(changed)
        assert "service_hangs" not in reasons(base)
        return
    if key == "tokens":
        pytest.skip("tests/backends/test_jsxc.py has tokens that are valid")
    expected = observed(service, base)
    assert error_of(changed) or observed(service, changed) != expected


def error_of(backend: dict[str, Any]) -> str:
    """What is wrong with a configuration; empty if it is valid."""
    try:
        settings_of(backend=backend)
    except ValidationError as error:
        return str(error)
    return ""


def connections(service: Service, backend: dict[str, Any]) -> int:
    """The connections of two logins one after the other."""
    before = len(service.connections)
    decider = Decider(settings_of(backend=backend))
    for number in range(2):
        command = Command(Operation.AUTH, "alice", "example.org", "a-token")
        decider.decide(command, time.monotonic() + 5, f"id-{number}")
    decider.close()
    return len(service.connections) - before


def reasons(backend: dict[str, Any]) -> list[str]:
    """The reasons of a login at a service that is silent, and of two more at the same time."""
    decider = Decider(settings_of(backend=backend))
    auth = Command(Operation.AUTH, "alice", "example.org", "a-token")

    def decide(seconds: float) -> str:
        return decider.decide(auth, time.monotonic() + seconds, "id").answer.reason

    first = decide(0.1)
    with ThreadPoolExecutor(2) as threads:
        found = [first, *threads.map(decide, (0.3, 0.3))]
    decider.close()
    return found


@pytest.mark.parametrize("key", keys_of(OperationTable))
def test_each_key_of_an_operation_is_used(key: str, service: Service, file: Path) -> None:
    base = {"kind": "rest", **filled(BASE["rest"], service, file)}
    changed = {**base, "operations": {"auth": {key: OPERATION[key]}}}
    assert observed(service, changed) != observed(service, base)


@pytest.mark.parametrize(
    ("kind", "key"),
    [(kind, key) for kind, model in sorted(service_auth.KINDS.items()) for key in keys_of(model)],
)
def test_each_key_of_service_auth_is_used(
    kind: str, key: str, service: Service, file: Path
) -> None:
    values = {"token": "a", "username": "a", "password": "a", "name": "X-A", "value": "a"}
    if kind == "oauth2":
        values = {"client_id": "a", "client_secret": "a", "scope": "a", "audience": "a"}
        values["token_url"] = f"http://127.0.0.1:{service.port}/token"
    model = service_auth.KINDS[kind]
    table = {"kind": kind, **{each: values[each] for each in values if each in model.model_fields}}
    changed = {**table, key: str(file) if key.endswith("_file") else f"{values.get(key)}2"}
    if key.endswith("_file"):
        changed.pop(key.removesuffix("_file"))
    if key == "client_auth":
        changed[key] = "client_secret_post"
    if key == "issuer":
        changed[key] = f"http://127.0.0.1:{service.port}/op"
        changed.pop("token_url")
    base = {"kind": "rest", **filled(BASE["rest"], service, file)}
    sent = [observed(service, {**base, "service_auth": each}) for each in (table, changed)]
    assert sent[0] != sent[1]


def test_the_tables_above_have_each_key() -> None:
    """A new key fails here until its use is shown."""
    everything = {key for kind in BUILT_IN for key in keys_of(backend_class(kind).Settings)}
    assert everything <= COMMON.keys()
    assert set(keys_of(OperationTable)) <= OPERATION.keys()


@pytest.mark.parametrize("other", ["path", "json", "allow"])
def test_nothing_stands_beside_an_operation_that_is_off(other: str) -> None:
    table = {"enabled": False, other: OPERATION[other]}
    with pytest.raises(ValidationError, match="nothing else"):
        OperationTable.model_validate(table)
