"""The commands of the fake ejabberd about the data that it stores for a user."""

from typing import Any

from tests.admin.refused_call import RefusedCallError


class FakeStoredData:
    """``stored`` has the kinds of data of each user, ``groups`` the members of each shared roster
    group. ``keeps`` are the kinds that ``unregister`` does not delete."""

    def __init__(self) -> None:
        self.stored: dict[str, set[str]] = {}
        self.groups: dict[str, list[str]] = {}
        self.keeps: set[str] = set()

    def _has(self, arguments: dict[str, Any], kind: str) -> bool:
        return kind in self.stored.get(f"{arguments['user']}@{arguments['host']}", ())

    def _get_offline_count(self, arguments: dict[str, Any]) -> int:
        return 3 if self._has(arguments, "offline messages") else 0

    def _get_mam_count(self, arguments: dict[str, Any]) -> int:
        return 7 if self._has(arguments, "archived messages") else 0

    def _get_last(self, arguments: dict[str, Any]) -> dict[str, str]:
        if self._has(arguments, "last activity"):
            return {"timestamp": "2026-11-26T09:00:00Z", "status": "away"}
        return {"timestamp": "2026-11-26T12:00:00Z", "status": "NOT FOUND"}

    def _get_roster(self, arguments: dict[str, Any]) -> list[dict[str, str]]:
        return [{"jid": "x@example.org"}] if self._has(arguments, "roster") else []

    def _get_vcard(self, arguments: dict[str, Any]) -> str:
        if self._has(arguments, "vCard"):
            return "Alice"
        raise RefusedCallError("error_no_vcard_found", 500)

    def _private_get(self, arguments: dict[str, Any]) -> str:
        name = arguments["element"]
        is_there = name == "storage" and self._has(arguments, "private data")
        return f"<{name}><x/></{name}>" if is_there else f"<{name}/>"

    def _srg_list(self, _: dict[str, Any]) -> list[str]:
        return list(self.groups)

    def _srg_get_members(self, arguments: dict[str, Any]) -> list[str]:
        return self.groups[arguments["group"]]

    def _srg_user_del(self, arguments: dict[str, Any]) -> int:
        self.groups[arguments["group"]].remove(f"{arguments['user']}@{arguments['host']}")
        return 0

    def _unregister(self, arguments: dict[str, Any]) -> str:
        jid = f"{arguments['user']}@{arguments['host']}"
        self.stored[jid] = self.stored.get(jid, set()) & self.keeps
        return ""
