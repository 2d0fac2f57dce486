"""The rules of one operation: those of the configuration, and the defaults of ``rest``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from pydantic import model_validator

from extauth_http.backends.placeholders import NAMES
from extauth_http.backends.response_rules import Rule, RuleSet, always_hold, status_matches
from extauth_http.backends.token_owner import OwnerTable
from extauth_http.config.section import Section
from extauth_http.protocol.command import Operation

REFUSALS = (401, 403)
"""Statuses that no service gives to a right password (RFC 9110 sections 15.5.2 and 15.5.4)."""


class RuleTable(Section):
    """The rules for responses. A list that is set replaces its default."""

    allow: list[Rule] | None = None
    deny: list[Rule] | None = None
    refused: list[Rule] | None = None
    """Responses by which the service refuses this program, not the user."""
    owner: OwnerTable | None = None
    """Where the response names the user that it is about."""

    @model_validator(mode="after")
    def _does_not_allow_everything(self) -> Self:
        if always_hold(self.allow or ()):
            raise ValueError("allow: a rule holds for every response, so everybody could log in")
        return self

    @model_validator(mode="after")
    def _compares_no_placeholder(self) -> Self:
        for name in ("allow", "deny", "refused"):
            for rule in getattr(self, name) or ():
                if any(f"{{{each}}}" in text for text in rule.texts for each in NAMES):
                    raise ValueError(
                        f"{name}: equals and text are compared as they are, without placeholders; "
                        "use owner to compare the name of the user"
                    )
        return self


def default_rules(operation: Operation, *, has_service_auth: bool) -> dict[str, list[Rule]]:
    """The rules of an operation that the configuration does not set.

    A service that knows this program says 401 to the program; without ``service_auth`` it can only
    mean the user.
    """
    success = {"status": [200, 201]}
    no = [403, *_NO.get(operation, ())]
    tables: dict[str, list[dict[str, Any]]] = {
        "refused": [{"status": 401}] if has_service_auth else [],
        "deny": [
            {**success, "text": "false"},
            {**success, "field": "result", "equals": False},
            {"status": no if has_service_auth else [401, *no]},
        ],
        "allow": [
            {**success, "text": "true"},
            {**success, "field": "result", "equals": True},
            {"status": 204},
        ],
    }
    return {name: [Rule.model_validate(table) for table in rules] for name, rules in tables.items()}


_NO: dict[Operation, tuple[int, ...]] = {
    Operation.ISUSER: (404,),
    Operation.REMOVEUSER: (404,),
    Operation.REMOVEUSER3: (404,),
    Operation.SETPASS: (404, 409, 422),
    Operation.TRYREGISTER: (404, 409, 422),
}
"""Statuses that are a no to one operation and no answer to another."""


def rules_of(
    operation: Operation, tables: Sequence[RuleTable], defaults: Mapping[str, list[Rule]]
) -> RuleSet:
    """The first of ``tables`` that sets a list counts. Raises ValueError that names the key."""

    def rules(name: str) -> tuple[Rule, ...]:
        for table in tables:
            configured: list[Rule] | None = getattr(table, name)
            if configured is not None:
                return tuple(configured)
        return tuple(defaults[name])

    found = RuleSet(rules("refused"), rules("deny"), rules("allow"))
    if operation.has_credential:
        _check_no_refusal_is_allowed(found.lists["allow"])
    return found


def _check_no_refusal_is_allowed(allow: Iterable[Rule]) -> None:
    for rule in allow:
        for status in REFUSALS:
            if rule.depends_only_on_status and status_matches(rule.status or (), status):
                raise ValueError(
                    f"allow: status {status} is a refusal, so a wrong password would do; remove it"
                )
