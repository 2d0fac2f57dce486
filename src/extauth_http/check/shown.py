"""What was sent and what came back, for a person to see: nothing that may be a credential.

Only what is known to be harmless is shown: the user and host that are asked about, truth values
and null. Everything else is masked, so a field that nobody thought of is, too.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from extauth_http.backends import BackendSettings
from extauth_http.http import Endpoint, Http, HttpAnswer
from extauth_http.line import Headers

MASK = "********"
MAX_SHOWN = 400  # characters


@dataclass(frozen=True, slots=True)
class Asked:
    """One request and its answer, where there was one, already masked."""

    sent: str
    came_back: str


class ShownHttp(Http):
    """Http that adds what it did to ``asked``; ``names`` are texts that may be shown."""

    def __init__(self, settings: BackendSettings, names: set[str], asked: list[Asked]) -> None:
        super().__init__(settings)
        self._names = names
        self._asked = asked

    def ask(
        self,
        endpoint: Endpoint,
        method: bytes,
        headers: Headers,
        body: bytes,
        *,
        due: float,
        may_repeat: bool,
    ) -> HttpAnswer:
        sent = " ".join(filter(None, (method.decode(), str(endpoint), self._body(body))))
        came_back = "no answer"
        try:
            answer = super().ask(endpoint, method, headers, body, due=due, may_repeat=may_repeat)
            came_back = self._answer(answer)
        finally:
            self._asked.append(Asked(sent, came_back))
        return answer

    def _answer(self, answer: HttpAnswer) -> str:
        kind = answer.header(b"content-type").partition(";")[0].strip()
        body = self._body(answer.body) if kind.endswith("json") else f"{len(answer.body)} bytes"
        return f"{answer.status} {kind or 'no content type'}: {body or 'nothing'}"

    def _body(self, body: bytes) -> str:
        try:
            shown = json.dumps(self._masked(json.loads(body)), ensure_ascii=False)
        except (ValueError, RecursionError):
            pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
            shown = "&".join(f"{key}={self._masked(value)}" for key, value in pairs)
        return shown[:MAX_SHOWN]

    def _masked(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._masked(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._masked(inner) for inner in value]
        if value is None or isinstance(value, bool) or value in self._names:
            return value
        return MASK
