"""Masks the secrets in what is sent to ejabberd, before it is shown."""

import json
from typing import Any

from extauth_http.config.service_auth import StaticServiceAuth
from extauth_http.terminal.masking import MASK

SECRET_NAMES = frozenset({"password", "token"})


def mask_arguments(value: Any) -> Any:
    """A copy of arguments or room options in which each secret is ``MASK``.

    Secrets are the values of ``password`` and ``token``, and the ``value`` of a room option with
    one of these names. An empty value and ``none`` are not secret.
    """
    return _masked(value, [])


def sent_secrets(arguments: Any, account: StaticServiceAuth | None) -> list[str]:
    """The secrets in a request, in each form in which a server can repeat them: plain, as JSON
    escapes them, and as the account's header encodes them."""
    found: list[str] = []
    _masked(arguments, found)
    headers: list[str] = []
    if account:
        found += [getattr(account, key).get_secret_value() for key in account.secrets]
        headers = [value.decode(errors="replace").split(" ")[-1] for _, value in account.headers()]
    escaped = [
        json.dumps(secret, ensure_ascii=is_ascii)[1:-1]
        for secret in found
        for is_ascii in (True, False)
    ]
    return [*found, *escaped, *headers]


def _masked(value: Any, found: list[str]) -> Any:
    if isinstance(value, list):
        return [_masked(item, found) for item in value]
    if not isinstance(value, dict):
        return value
    is_option = SECRET_NAMES & {value.get("name"), value.get("option")}
    names = SECRET_NAMES | ({"value"} if is_option else set())
    secret = {key: item for key, item in value.items() if key in names and item not in ("", "none")}
    found += map(str, secret.values())
    return {key: MASK if key in secret else _masked(item, found) for key, item in value.items()}
