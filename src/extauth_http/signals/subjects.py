"""Finds the user of a virtual host that a token means."""

import re
from collections.abc import Mapping
from typing import Any

from extauth_http.protocol.jid import Jid
from extauth_http.protocol.preparation import nodeprep
from extauth_http.signals.events import Subject
from extauth_http.signals.issuer_settings import PLACEHOLDERS, IssuerSettings
from extauth_http.signals.rejection import Reason, RejectedError

MAX_IDENTIFIER = 512  # characters


class OtherUserError(Exception):
    """The token is valid, and its user cannot be a user of this virtual host."""


def subject_of(claims: Mapping[str, Any], issuer: IssuerSettings) -> Subject:
    """The user whom these claims name.

    Raises RejectedError if they name nobody, and OtherUserError if the name is not one that
    ``match`` describes.
    """
    name = _claim(claims, issuer.claim)
    if name is not None:
        return Subject(issuer.host, local_part(name, issuer))
    if issuer.resolve:
        identifiers = {key: claims[key] for key in PLACEHOLDERS if _is_identifier(claims.get(key))}
        if issuer.resolve.placeholders <= identifiers.keys():
            return Subject(issuer.host, None, identifiers)
    raise RejectedError(Reason.NO_SUBJECT, f"no usable subject: {issuer.claim} is missing")


def local_part(name: str, issuer: IssuerSettings) -> str:
    """The local part of the JID of a user with this name at the issuer. Raises OtherUserError."""
    pattern = re.escape(nodeprep(issuer.match)).replace(r"\{host\}", re.escape(issuer.host))
    found = re.fullmatch(pattern.replace(r"\{user\}", "(.+)"), nodeprep(name))
    user = found[1] if found else ""
    if issuer.jid_escape:
        user = escape_user(user)
    try:
        # A name with a space in it is not the name without it.
        if user and user == user.strip():
            return Jid.parse(f"{user}@{issuer.host}").user
    except ValueError:
        pass
    raise OtherUserError


_ESCAPES = {character: f"\\{ord(character):02x}" for character in " \"&'/:<>@"}


def escape_user(name: str) -> str:
    """A name as a local part, escaped by XEP-0106: ``alice@corp.com`` → ``alice\\40corp.com``."""
    name = re.sub(r"\\(?=20|22|26|27|2f|3a|3c|3e|40|5c)", r"\\5c", name)
    return "".join(_ESCAPES.get(character, character) for character in name)


def _claim(claims: Mapping[str, Any], path: str) -> str | None:
    """A claim by its name, or by names of nested objects with dots between."""
    found: Any = claims.get(path)
    if found is None and "." in path:
        found = claims
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    if found is None:
        return None
    if not _is_identifier(found):
        raise RejectedError(Reason.NO_SUBJECT, f"{path} is not a text")
    return str(found)


def _is_identifier(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_IDENTIFIER and value.isprintable()
