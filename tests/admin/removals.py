"""Removals of users from a room, as an operator runs them."""

from tests.admin.fake_ejabberd import FakeEjabberd
from tests.admin.operator import ROOM, Operator, Result

ALICE, BOB, MOD = "alice@example.org", "bob@example.org", "mod@example.org"
MUC_ADMIN = "{http://jabber.org/protocol/muc#admin}"


def remove(operator: Operator, *more: str, user: str = ALICE) -> Result:
    return operator("room", "remove", ROOM, user, "--yes", *more)


def set_to(server: FakeEjabberd) -> list[str]:
    """The affiliations that were set, in order."""
    return [call.arguments["affiliation"] for call in server.called("set_room_affiliation")]


def pending_bans(operator: Operator) -> list[str]:
    """The names of the files of pending bans."""
    return [file.name for file in (operator.folder / "state").rglob("*.json")]
