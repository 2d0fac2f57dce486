"""Secrets that are sent to ejabberd, kept out of what is shown."""

from typing import Any

from extauth_http.config.service_auth import ServiceAuth
from extauth_http.terminal.masking import MASK

SECRET = frozenset({"password", "token"})


def masked(value: Any, found: list[str]) -> Any:
    """Arguments or options without the secrets among them, each of which is added to ``found``: a
    password, a token, and the option of a room that is called ``password``."""
    if isinstance(value, list):
        return [masked(each, found) for each in value]
    if not isinstance(value, dict):
        return value
    named = {"value"} if SECRET & {value.get("name"), value.get("option")} else frozenset()
    secret = {
        key: said
        for key, said in value.items()
        if key in SECRET | named and said not in ("", "none")
    }
    found += map(str, secret.values())
    return {key: MASK if key in secret else masked(said, found) for key, said in value.items()}


def secrets_of(account: ServiceAuth) -> list[str]:
    """An account's secret, by itself and as it stands in its header."""
    plain = [getattr(account, key).get_secret_value() for key in account.secrets]
    encoded = [value.decode(errors="replace").split(" ")[-1] for _, value in account.headers()]
    return [*plain, *encoded]
