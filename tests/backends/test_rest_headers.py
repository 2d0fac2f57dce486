"""Headers of the rest kind: constant texts, placeholders, and secrets in files."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from extauth_http.protocol.command import Command, Operation
from tests.backends.test_rest import command, sent
from tests.decide import decide
from tests.integration.service import YES, Service, answering
from tests.settings import settings_of


def test_headers_of_the_backend_go_with_each_request_and_an_operation_replaces_them() -> None:
    headers = {"X-Realm": "{host}", "Accept": "application/vnd.example+json"}
    own = {"auth": {"headers": {"x-realm": "other"}}}
    request = sent("auth", headers=headers, operations=own)
    assert (request.headers["x-realm"], request.headers["accept"]) == (
        "other",
        "application/vnd.example+json",
    )
    assert sent("isuser", headers=headers, operations=own).headers["x-realm"] == "example.org"


def test_a_header_can_be_the_secret_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "api.key"
    secret.write_text("k3y-{user}\n")
    headers = {"apikey": {"file": str(secret)}}
    with Service(answering(YES)) as service:
        backend: dict[str, Any] = {"kind": "rest", "url": service.url}
        decide(command("auth"), **backend, headers=headers)
        decide(command("auth"), **backend, operations={"auth": {"headers": headers}})
        assert [request.headers["apikey"] for request in service.requests] == ["k3y-{user}"] * 2
    settings = settings_of(backend={**backend, "headers": headers})
    assert settings.files() == [secret]
    assert "k3y" not in repr(settings)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({"file": "/nowhere/api.key"}, "file: cannot read /nowhere/api.key"),
        ({"file": "/dev/null"}, "file: /dev/null is empty"),
        ({"path": "/nowhere"}, "expected a text, or { file"),
        ({"file": "/dev/null", "content": "x"}, "expected a text, or { file"),
        (3, "expected a text, or { file"),
    ],
)
def test_a_header_that_cannot_be_read_is_an_error_that_names_it(value: Any, error: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings_of(
            backend={"kind": "rest", "url": "http://127.0.0.1/", "headers": {"apikey": value}}
        )
    assert f"headers\n  Value error, apikey: {error}" in str(caught.value)


def test_a_header_can_be_the_basic_authentication_of_the_user() -> None:
    auth = {"method": "GET", "path": "me", "headers": {"Authorization": "Basic {basic}"}}
    request = sent("auth", operations={"auth": auth})
    assert request.headers["authorization"] == "Basic YWxpY2U6cGFzcw=="
    with Service(answering(YES)) as service:
        alice = Command(Operation.AUTH, "alice:pass", "example.org", "word")
        table: dict[str, Any] = {"url": service.url, "operations": {"auth": auth}}
        assert decide(alice, kind="rest", **table).answer.reason == "unsafe_name"
        assert service.requests == []


@pytest.mark.parametrize(
    "operations",
    [
        {"auth": {"json": {"a": "{basic}"}}},
        {"auth": {"query": {"a": "{basic}"}}},
        {"auth": {"path": "{basic}"}},
        {"isuser": {"headers": {"Authorization": "Basic {basic}"}}},
        {"certauth": {"headers": {"Authorization": "Basic {basic}"}}},
    ],
)
def test_basic_authentication_is_for_headers_of_operations_with_a_password(
    operations: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError, match=r"there is no \{basic\} here"):
        settings_of(backend={"kind": "rest", "url": "http://a.de", "operations": operations})
