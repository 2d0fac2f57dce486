"""Whom a response is about: ALLOW needs the owner of a token to be the user who logs in."""

from typing import Self

from pydantic import field_validator, model_validator

from extauth_http.backends.placeholders import Template, Values
from extauth_http.backends.response_rules import MISSING, FieldPath, ResponseView, find
from extauth_http.config.section import Section
from extauth_http.protocol.preparation import nodeprep
from extauth_http.protocol.verdict import Answer, Mismatch, Verdict

OWNER_PLACEHOLDERS = ("user", "host", "jid")


class OwnerTable(Section):
    """``owner = { field = "user.name", equals = "{user}" }``."""

    field: FieldPath | None = None
    header: str | None = None
    equals: str = "{user}"
    """What the owner of the user's credential is called there."""

    @field_validator("equals")
    @classmethod
    def _names_the_user(cls, text: str) -> str:
        template = Template.parse(text, OWNER_PLACEHOLDERS)
        if not {"user", "jid"} & set(template.names):
            raise ValueError("expected {user} or {jid}; without it any token would be accepted")
        return text

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if (self.field is None) == (self.header is None):
            raise ValueError("expected field or header, the place that names the owner")
        return self


def compare_owner(table: OwnerTable, response: ResponseView, values: Values) -> Answer | None:
    """None if the response names the user of the command, else the DENY that says why not."""
    expected = Template.parse(table.equals, OWNER_PLACEHOLDERS).render(values)
    if table.header is not None:
        return owner_denial(response.header(table.header), expected, table.header)
    path = table.field or ()
    name = ".".join(map(str, path))
    return owner_denial(find(response.document, path), expected, name)


def owner_denial(found: object, expected: str, name: str) -> Answer | None:
    """None if ``found`` is the expected owner, compared as ejabberd compares names (nodeprep).

    ``name`` is the claim, field or header that ``found`` comes from. A whole number is compared as
    text.
    """
    if found is MISSING:
        return _deny("claim_missing", f"{name!r} is missing, so the owner is unknown")
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str):
        return _deny("claim_not_text", f"{name!r} is not a text")
    if not found:
        return _deny("claim_empty", f"{name!r} is empty")
    if nodeprep(found) != nodeprep(expected):
        mismatch = Mismatch("owner", expected, found)
        return Answer(Verdict.DENY, "another_user", f"{name!r} names another user", mismatch)
    return None


def _deny(reason: str, detail: str) -> Answer:
    return Answer(Verdict.DENY, reason, detail)
