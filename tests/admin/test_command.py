"""What every command for users and rooms begins with."""

import pytest

from tests.admin.operator import Operator
from tests.admin.played import Played


@pytest.mark.parametrize(
    "backend",
    [
        '[backend]\nkind = "nonsense"\n',
        '[backend]\nkind = "rest"\nurl = 3\n',
        '[backend]\nkind = "rest"\nurl = "http://x/"\n[backend.tls]\nca_file = "/nowhere"\n',
        "deadline = 99\n[log]\nlevel = 3\n",
    ],
)
def test_a_broken_backend_keeps_nobody_from_being_kicked(
    operator: Operator, server: Played, backend: str
) -> None:
    top, _, rest = backend.partition("[") if backend.startswith("deadline") else ("", "", backend)
    text = f"{top}{operator.config.read_text()}{'[' if top else ''}{rest}"
    operator.config.write_text(text)
    assert operator("user", "kick", "alice@example.org", "--yes").code == 0
    assert server.sessions == {"bob@example.org": ["pad"]}
