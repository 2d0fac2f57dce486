"""Secrets in text that is shown to people."""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "********"
"""What is shown instead of a secret. Its length says nothing about the secret."""

MAX_QUOTE = 200
"""Characters of a text of a service that are shown at most."""

_SHARED = 4  # characters in a row that a text may not share with a secret
_SHARED_ENCODED = 8  # the same for base64 and hexadecimal, where four in a row occur by chance


def mask_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text with MASK in place of each occurrence of a secret.

    The longest secret goes first, so that no part of it remains when another one is contained in
    it. Empty secrets are ignored.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def quotes_nothing(text: str, secrets: Iterable[str]) -> bool:
    """Whether a text of a service can be shown: short, printable, and without a part of a secret.

    A part is four characters in a row, or the whole of a shorter secret, in any case, as it is or
    percent-encoded; or eight characters of its base64 or hexadecimal form.
    """
    if len(text) > MAX_QUOTE or not text.isprintable():
        return False
    lower = text.lower()
    return not any(part in lower for secret in secrets if secret for part in _parts(secret))


def _parts(secret: str) -> Iterator[str]:
    for form in {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}:
        yield from _windows(form.lower(), _SHARED)
    raw = secret.encode()
    yield from _windows(raw.hex(), _SHARED_ENCODED)
    for before in range(3):
        # The first and last characters depend on the bytes before and after.
        start, end = -(-before * 4 // 3), (before + len(raw)) * 4 // 3
        encoded = b64encode(bytes(before) + raw).decode()[start:end].lower()
        if len(encoded) >= _SHARED_ENCODED:
            yield from _windows(encoded, _SHARED_ENCODED)
            yield from _windows(encoded.translate(_URL_SAFE), _SHARED_ENCODED)


_URL_SAFE = str.maketrans("+/", "-_")


def _windows(form: str, size: int) -> Iterator[str]:
    size = min(size, len(form))
    return (form[at : at + size] for at in range(len(form) - size + 1))
