"""Secrets in arguments, and the forms in which a server can repeat them."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from extauth_http.config.service_auth import Basic
from extauth_http.ejabberd_api.masking import mask_arguments, sent_secrets
from extauth_http.terminal.masking import MASK, mask_secrets
from tests.credentials import PASSWORD

QUOTED = 'sw"ordfish\\ö'


@pytest.mark.parametrize(
    ("arguments", "masked"),
    [
        ({"user": "a", "password": PASSWORD}, {"user": "a", "password": MASK}),
        ({"token": "hunter2"}, {"token": MASK}),
        ({"password": ""}, {"password": ""}),
        ({"password": "none"}, {"password": "none"}),
        ({"option": "password", "value": "hunter2"}, {"option": "password", "value": MASK}),
        ({"option": "title", "value": "Tea"}, {"option": "title", "value": "Tea"}),
        (
            {"options": [{"name": "password", "value": "hunter2"}, {"name": "mam", "value": "x"}]},
            {"options": [{"name": "password", "value": MASK}, {"name": "mam", "value": "x"}]},
        ),
    ],
)
def test_secrets_in_arguments_are_masked(arguments: dict[str, Any], masked: dict[str, Any]) -> None:
    assert mask_arguments(arguments) == masked


@pytest.mark.parametrize("secret", [PASSWORD, QUOTED])
def test_a_secret_is_masked_in_each_form_in_which_a_server_can_repeat_it(secret: str) -> None:
    account = Basic(kind="basic", username="admin@example.org", password=SecretStr(secret))
    ((_, header),) = account.headers()
    secrets = sent_secrets({"password": secret}, account)
    escaped = [json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)]
    text = " ".join([secret, *escaped, header.decode()])
    assert mask_secrets(text, secrets) == f"{MASK} {MASK} {MASK} Basic {MASK}"
