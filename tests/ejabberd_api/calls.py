"""What the tests of the client share: an account, settings, and a call that fails."""

import base64
import socket
from typing import Any

import pytest

from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.ejabberd_api.client import ApiClient
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.protocol.jid import Jid
from tests.admin.fake_commands import SERVICE
from tests.admin.fake_ejabberd import Call, CallHandler, FakeEjabberd
from tests.credentials import PASSWORD

ALICE = Jid("alice", "example.org")


ROOM = Jid("tea", SERVICE)


BASIC = {"kind": "basic", "username": "admin@example.org", "password": PASSWORD}


BEARER = {"kind": "bearer", "token": "swordfish"}


HEADER = {"kind": "header", "name": "X-Api-Key", "value": "swordfish"}


ENCODED = base64.b64encode(f"admin@example.org:{PASSWORD}".encode()).decode()


def settings(url: str, **more: Any) -> EjabberdSettings:
    return EjabberdSettings.model_validate({"api": url, "timeout": 2, **more})


def refusal(api: ApiClient, command: str = "kick_user") -> ApiError:
    with pytest.raises(ApiError) as caught:
        api.change(command, user="alice", host="example.org")
    return caught.value


def then_closed(script: CallHandler) -> CallHandler:
    def behave(fake: FakeEjabberd, call: Call, connection: socket.socket) -> None:
        script(fake, call, connection)
        connection.shutdown(socket.SHUT_RDWR)

    return behave
