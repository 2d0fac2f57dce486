"""Secrets in text that is shown to people."""

from collections.abc import Iterable

MASK = "********"
"""What is shown instead of a secret. Its length says nothing about the secret."""


def mask_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text with MASK in place of each occurrence of a secret.

    The longest secret goes first, so that no part of it remains when another one is contained in
    it. Empty secrets are ignored.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
