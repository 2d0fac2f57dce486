"""Text with placeholders: ``login/{user}`` → what is sent for one command.

A template is compiled when the configuration is read. ``{{`` and ``}}`` are literal braces. The
file does not encode: the place that a text goes to (path, query, form, JSON, header) decides that,
in ``request_template.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter

from extauth_http.protocol.command import Command, Operation

NAMES = ("user", "host", "jid", "password", "basic", "certificate", "operation", "request_id")
"""Every placeholder, as ``{name}``. ``{basic}`` is ``user:password`` in base64, for a header
``Authorization = "Basic {basic}"`` (RFC 7617)."""

USER_NAMES = frozenset({"user", "jid", "basic"})
"""Placeholders that identify the user of a command."""

ANSWER = "answer."
"""``{answer.access_token}`` is a field of the response before; only a follow-up request has it."""

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Template:
    """Literal texts and placeholders in turn.

    ``literals`` has one more item than ``names``: ``"a{user}b"`` is ``("a", "b")`` and
    ``("user",)``.
    """

    literals: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def parse(
        cls, text: str, known: tuple[str, ...] = NAMES, *, answer: bool = False
    ) -> "Template":
        """Raises ValueError for a placeholder that is not in ``known``.

        With ``answer``, placeholders that begin with ``answer.`` are allowed too.
        """
        literals = [""]
        names: list[str] = []
        try:
            pieces = list(Formatter().parse(text))
        except ValueError:
            raise ValueError(
                "expected a closing brace after each placeholder; write {{ and }} for braces"
            ) from None
        for literal, name, specification, conversion in pieces:
            literals[-1] += literal
            if name is None:
                continue
            is_known = name in known or (
                answer and len(name) > len(ANSWER) and name.startswith(ANSWER)
            )
            if not is_known or specification or conversion:
                written = name + (f"!{conversion}" if conversion else "")
                written += f":{specification}" if specification else ""
                raise ValueError(_unknown(written, known, answer=answer))
            if literal.endswith("$"):
                raise ValueError(f"write {{{name}}} without $ before it")
            names.append(name)
            literals.append("")
        return cls(tuple(literals), tuple(names))

    @property
    def is_constant(self) -> bool:
        return not self.names

    def render(self, values: Values, encode: Callable[[str], str] = str) -> str:
        """The text for some values; ``encode`` is applied to each value and to no literal.

        Raises KeyError for a value that is missing.
        """
        literals = self.literals
        if not self.names:
            return literals[0]
        parts = [literals[0]]
        for name, literal in zip(self.names, literals[1:], strict=True):
            parts += (encode(values[name]), literal)
        return "".join(parts)


def _unknown(name: str, known: tuple[str, ...], *, answer: bool) -> str:
    allowed = [*known, "answer.FIELD"] if answer else known
    listed = ", ".join(f"{{{each}}}" for each in allowed)
    if name in NAMES:
        return f"there is no {{{name}}} here; expected one of {listed}"
    return (
        f"unknown placeholder {{{name}}}; expected one of {listed}; write {{{{ and }}}} for braces"
    )


def values_of(command: Command, request_id: str) -> dict[str, str]:
    """What the placeholders are for a command.

    ``password`` and ``certificate`` are there only for operations that have one.
    """
    operation, credential = _FIXED[command.operation]
    values = {
        "user": command.user,
        "host": command.host,
        "jid": f"{command.user}@{command.host}",
        "operation": operation,
        "request_id": request_id,
    }
    if credential:
        values[credential] = command.password
    return values


def credential_name(operation: Operation) -> str | None:
    """The placeholder of an operation's credential; None if it has no credential."""
    if not operation.has_credential:
        return None
    return "certificate" if operation is Operation.CERTAUTH else "password"


def names_for(operation: Operation) -> tuple[str, ...]:
    """The placeholders that an operation has."""
    credential = credential_name(operation)
    missing = {
        "password": {"certificate"},
        "certificate": {"password", "basic"},
        None: {"password", "basic", "certificate"},
    }[credential]
    return tuple(name for name in NAMES if name not in missing)


_FIXED = {operation: (operation.value, credential_name(operation)) for operation in Operation}
"""The name on the wire and the placeholder of the credential, looked up once."""
