"""Reads a response of the admin API: its result, or the error that it reports."""

import json
from typing import Any

import httpx

from extauth_http.config.ejabberd import EjabberdSettings
from extauth_http.ejabberd_api import hints
from extauth_http.ejabberd_api.errors import ApiError
from extauth_http.terminal.masking import mask_secrets

MAX_MESSAGE = 300  # characters of a text from the server


def read_result(
    command: str, settings: EjabberdSettings, response: httpx.Response, secrets: list[str]
) -> Any:
    """The JSON value of a response with status 200.

    Raises ApiError for everything else. ``secrets`` were sent with the request; they are masked in
    the error if the server repeats them.
    """
    status = response.status_code
    if response.is_redirect:
        message = f"{settings.api} redirects with status {status}, and redirects are not followed"
        raise ApiError(command, message, status=status)
    try:
        value = json.loads(response.content)
    except (ValueError, RecursionError):
        raise _not_json(command, settings, response, secrets) from None
    if status == httpx.codes.OK:
        return value
    # An error is an object with a message, or a text.
    text = value.get("message", "") if isinstance(value, dict) else value
    text = mask_secrets(" ".join(str(text).split()), secrets)[:MAX_MESSAGE].rstrip(".")
    if text:
        message = f"ejabberd answers: {text}"
    elif status == httpx.codes.NOT_FOUND:
        message = f"ejabberd has no command {command}"
    else:
        message = f"ejabberd answers with status {status}"
    raise ApiError(
        command,
        message,
        hints.refused(command, status, settings.service_auth),
        status=status,
        # An internal error of ejabberd can occur after a part was executed.
        may_have_changed=status >= httpx.codes.INTERNAL_SERVER_ERROR,
        is_refused=True,
    )


def _not_json(
    command: str, settings: EjabberdSettings, response: httpx.Response, secrets: list[str]
) -> ApiError:
    status = response.status_code
    kind = response.headers.get("content-type", "no content type")
    kind = mask_secrets(kind, secrets)[:MAX_MESSAGE]
    hint = None
    if kind.startswith("application/json"):
        message = f"the response with status {status} is not valid JSON"
    else:
        message = f"{settings.api} is not mod_http_api: it answers with status {status} and {kind}"
        hint = hints.not_the_api(settings.api)
    # A gateway can return garbage or a server error for a call that ejabberd has executed.
    is_rejected = 400 <= status < 500
    return ApiError(command, message, hint, status=status, may_have_changed=not is_rejected)
