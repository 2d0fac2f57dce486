"""What every command for users and rooms begins with."""

import pytest

from tests.admin.fake_ejabberd import FakeEjabberd
from tests.admin.operator import Operator


@pytest.mark.parametrize(
    "backend",
    [
        '[backend]\nkind = "nonsense"\n',
        '[backend]\nkind = "rest"\nurl = 3\n',
        '[backend]\nkind = "rest"\nurl = "http://x/"\n[backend.tls]\nca_file = "/nowhere"\n',
        "deadline = 99\n[log]\nlevel = 3\n",
    ],
)
def test_a_user_can_be_kicked_with_an_invalid_backend(
    operator: Operator, server: FakeEjabberd, backend: str
) -> None:
    top, _, rest = backend.partition("[") if backend.startswith("deadline") else ("", "", backend)
    text = f"{top}{operator.config.read_text()}{'[' if top else ''}{rest}"
    operator.config.write_text(text)
    assert operator("user", "kick", "alice@example.org", "--yes").code == 0
    assert server.sessions == {"bob@example.org": ["pad"]}
