"""A call that the fake ejabberd refuses."""

import json

from tests.integration.service import http


class RefusedCallError(Exception):
    """A call that is answered with another status than 200."""

    def __init__(self, value: object, status: int = 400) -> None:
        self.answer = http(status, json.dumps(value), "Content-Type: application/json")
