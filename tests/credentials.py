"""The credentials that tests use, and every form in which one could show in an output."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

PASSWORD = "pa:ss wörd/Zq7+Vx3%&=kJ9"
"""What users log in with where a test does not care; each encoding of it looks different."""

NEW_PASSWORD = "nöw: Wm4/Rt8+Hy2%&=cD6"
"""What a password is set to."""

CREDENTIALS = (PASSWORD, NEW_PASSWORD, "hunter2", "wonder:land", "new:password", "swordfish")

SHORTEST = 6
"""Bytes of a form that is looked for; a shorter one would be found by chance."""


def shown(output: bytes) -> set[str]:
    """The credentials that an output shows, in whatever form."""
    return {each for each, found in FORMS.items() if any(form in output for form in found)}


def outputs(folder: Path) -> list[Path]:
    """What programs wrote to their streams and logs below a folder."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and (file.name in ("stderr", "stdout") or "log" in file.name)
    ]


def forms(credential: str) -> set[bytes]:
    """A credential as it is, quoted, escaped and encoded, at each alignment of base64."""
    raw = credential.encode()
    found = {
        raw,
        quote(credential).encode(),
        quote(credential, safe="").encode(),
        quote_plus(credential).encode(),
        json.dumps(credential)[1:-1].encode(),
        repr(raw)[2:-1].encode(),
        ascii(credential)[1:-1].encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        *_base64(raw),
    }
    return {form for form in found if len(form) >= SHORTEST}


def _base64(raw: bytes) -> Iterator[bytes]:
    for before in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            # The first and last characters depend on what stands before and after.
            start, end = -(-before * 4 // 3), (before + len(raw)) * 4 // 3
            yield encode(b"\0" * before + raw)[start:end]


FORMS = {credential: forms(credential) for credential in CREDENTIALS}
