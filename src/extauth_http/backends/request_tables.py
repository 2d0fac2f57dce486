"""The tables of the configuration that describe one request of ``rest``."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from extauth_http.config.section import SecretFile, Section

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "cache-control",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "x-request-id",
    }
)
"""Headers that the program sets itself, in lower case."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _header_table(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError('expected a table of headers, such as { X-Realm = "example" }')
    for name in value:
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a header")
        if name.lower() in RESERVED_HEADERS:
            raise ValueError(f"{name}: extauth-http sets this header itself; remove it")
    names = [name.lower() for name in value]
    if len(set(names)) != len(names):
        raise ValueError("a header is set twice; names are compared without case")
    return {name: _header_value(name, each) for name, each in value.items()}


def _header_value(name: str, value: object) -> str | SecretFile:
    if isinstance(value, str | SecretFile):
        return value
    if not isinstance(value, dict) or value.keys() != {"file"}:
        raise ValueError(f'{name}: expected a text, or {{ file = "…" }} for the secret in a file')
    try:
        return SecretFile.model_validate(value)
    except ValidationError as error:
        raise ValueError(f"{name}: {error.errors()[0]['msg']}") from None


def _text_table(value: object) -> object:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise ValueError('expected a table of texts, such as { login = "{user}" }')
    return value


HeaderTable = Annotated[dict[str, str | SecretFile], BeforeValidator(_header_table)]
"""Headers by name. A value is a text with placeholders, or the secret in a file."""
TextTable = Annotated[dict[str, str], BeforeValidator(_text_table)]


class RequestTable(Section):
    """The keys of one request. ``form`` and ``json`` exclude each other."""

    method: Method = "POST"
    path: str | None = None
    """Below ``url``, percent-encoded, with placeholders; ``""`` is the URL itself."""
    headers: HeaderTable | None = Field(default=None, repr=False)
    query: TextTable | None = Field(default=None, repr=False)
    form: TextTable | None = Field(default=None, repr=False)
    json_: Any = Field(default=None, alias="json", repr=False)

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        if self.form is not None and self.json_ is not None:
            raise ValueError("expected form or json, not both")
        if isinstance(self.json_, dict):
            for name in ("refused", "deny", "allow"):
                if isinstance(self.json_.get(name), list):
                    raise ValueError(
                        f"json.{name}: a list of rules would be sent to the service; write json = "
                        "{ … } in one line, or the rules above the table of json"
                    )
        if self.method == "GET" and (self.form is not None or self.json_ is not None):
            raise ValueError("a GET request has no body: expected query instead of form or json")
        return self
