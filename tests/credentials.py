"""The credentials that tests use, and each form in which one can appear in an output."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

PASSWORD = "pa:ss wörd/Zq7+Vx3%&=kJ9"
"""The default password of tests. Each encoding of it looks different."""

NEW_PASSWORD = "nöw: Wm4/Rt8+Hy2%&=cD6"
"""The default new password."""

CREDENTIALS = (PASSWORD, NEW_PASSWORD, "hunter2", "wonder:land", "new:password", "swordfish")

SHORTEST = 6
"""The minimum length in bytes of a form. A shorter one could appear by chance."""


def shown(output: bytes) -> set[str]:
    """The credentials that an output contains in any form."""
    return {each for each, found in FORMS.items() if any(form in output for form in found)}


def outputs(folder: Path) -> list[Path]:
    """The files below a folder that are output streams and logs of programs."""
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and (file.name in ("stderr", "stdout") or "log" in file.name)
    ]


def forms(credential: str) -> set[bytes]:
    """A credential as it is, quoted, escaped, encoded, and at each alignment of base64."""
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
            # The first and last characters depend on the bytes before and after.
            start, end = -(-before * 4 // 3), (before + len(raw)) * 4 // 3
            yield encode(b"\0" * before + raw)[start:end]


FORMS = {credential: forms(credential) for credential in CREDENTIALS}
