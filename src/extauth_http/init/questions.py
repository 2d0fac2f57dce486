"""The questions of ``extauth-http init`` at a terminal."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from extauth_http.check.finding import Level
from extauth_http.check.service import reachability
from extauth_http.config.backend import BackendSettings
from extauth_http.config.endpoint import Endpoint
from extauth_http.init.answers import Answers
from extauth_http.init.files import InitError
from extauth_http.init.kinds import KINDS, SERVICE_AUTH, Kind, SecretKey
from extauth_http.protocol.jid import Jid
from extauth_http.terminal.printable import printable
from extauth_http.terminal.prompt import CredentialInputError, read_credential

CONNECT_SECONDS = 8.0
"""Seconds to try whether an address can be reached."""

LOG_FILE = Path("/var/log/ejabberd/extauth-http.log")
STANDARD_ERROR = "-"

QUESTIONS = {
    "url": "URL of the service",
    "issuer": "Issuer, the URL of the identity provider",
    "client_id": "Client ID of this program at the provider",
    "audience": "Audience that a token must have",
    "username_claim": "Claim with the user name",
    "file": "Path of the file with the users",
}


def ask(question: str, default: str = "", parse: Callable[[str], str] | None = None) -> str:
    """An answer, or the default for an empty line; asks again while ``parse`` raises ValueError.

    Raises InitError at the end of input.
    """
    shown = f" [{printable(default)}]" if default else ""
    while True:
        try:
            text = input(f"{question}{shown}: ").strip() or default
            return parse(text) if parse else text
        except EOFError:
            raise InitError("the input ended before all questions were answered") from None
        except UnicodeDecodeError:
            print("  The answer is not UTF-8.")
        except ValueError as error:
            print(f"  {printable(str(error))}")


def confirm(question: str, *, default: bool) -> bool:
    def parse(text: str) -> str:
        if text.lower() not in ("y", "yes", "n", "no"):
            raise ValueError("expected y or n")
        return text.lower()[0]

    return ask(f"{question} (y/n)", "y" if default else "n", parse) == "y"


def ask_answers(before: Answers) -> Answers:
    """Asks everything. ``before`` has the defaults."""
    kind_name = _kind(before.kind)
    kind = KINDS[kind_name]
    values = _values(kind, before.values)
    answers = replace(before, kind=kind_name, values=values, service_auth="none")
    if kind.has_service_auth:
        answers = _service_auth(answers, before)
    return replace(answers, hosts=_hosts(before.hosts), log_file=_log_file(before.log_file))


def ask_secret(file: Path) -> str:
    """The secret that is to be written to ``file``, without echo. Raises InitError."""
    try:
        secret = read_credential("secret", f"Secret, to be written to {printable(str(file))}: ")
    except CredentialInputError as error:
        raise InitError(str(error)) from None
    if not secret.isprintable():
        raise InitError("the secret contains a control character")
    return secret


def needs_secret(answers: Answers) -> bool:
    if answers.service_auth != "none":
        return True
    match KINDS[answers.kind].secret:
        case SecretKey.CLIENT:
            return bool(answers.values.get("client_id"))
        case secret:
            return secret is not None


def ask_secret_file(default: Path) -> Path:
    return Path(ask("File of the secret; it is created if it does not exist", str(default)))


def _kind(default: str) -> str:
    print("Kinds of service (docs/recipes.md names the kind for many products):")
    for name, kind in KINDS.items():
        print(f"  {name:<15} {kind.description}")
    return ask("Kind of service", default, _one_of(KINDS))


def _values(kind: Kind, before: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    required = kind.required
    if kind.has_issuer:
        question = f"{QUESTIONS['issuer']} (empty: enter the URL of the endpoint)"
        values["issuer"] = ask(question, before.get("issuer", ""), _optional(_address))
        if not values["issuer"]:
            required = ("url", *required)
    for key in required:
        parse = _address if key in ("url", "issuer") else _not_empty
        values[key] = ask(QUESTIONS[key], before.get(key, ""), parse)
    for key in kind.optional:
        values[key] = ask(f"{QUESTIONS[key]} (optional)", before.get(key, ""))
    return values


def _service_auth(answers: Answers, before: Answers) -> Answers:
    chosen = ask(
        f"How this program authenticates to the service ({', '.join(SERVICE_AUTH)})",
        before.service_auth,
        _one_of(SERVICE_AUTH),
    )
    username, name = before.username, before.header_name
    match chosen:
        case "basic":
            username = ask("User name of this program at the service", username, _not_empty)
        case "header":
            name = ask("Name of the header, such as X-Api-Key", name, _not_empty)
    return replace(answers, service_auth=chosen, username=username, header_name=name)


def _hosts(before: tuple[str, ...]) -> tuple[str, ...]:
    text = ask(
        "Virtual hosts, separated by spaces (empty: all hosts of ejabberd)",
        " ".join(before),
        lambda text: " ".join(map(parse_host, text.split())),
    )
    return tuple(dict.fromkeys(text.split()))


def _log_file(before: Path | None) -> Path | None:
    # If ejabberd runs in the background, the standard error of its programs is lost.
    default = LOG_FILE if LOG_FILE.parent.is_dir() else None
    text = ask(
        f"Log file ({STANDARD_ERROR} for standard error)", str(before or default or ""), _log_path
    )
    return Path(text) if text != STANDARD_ERROR else None


def _log_path(text: str) -> str:
    if text != STANDARD_ERROR and not Path(text).is_absolute():
        raise ValueError(f"expected an absolute path, or {STANDARD_ERROR} for standard error")
    return text


def parse_host(text: str) -> str:
    """A virtual host as ejabberd sends it. Raises ValueError."""
    try:
        return Jid.parse(f"user@{text}").host
    except ValueError:
        raise ValueError(f"expected a host such as example.org, not {text!r}") from None


def _address(text: str) -> str:
    """A URL, after an attempt to connect. Raises ValueError if the operator wants another one."""
    origin = Endpoint.parse(text, unix=True).origin
    found = list(
        reachability.findings(origin, BackendSettings(kind=""), "backend", CONNECT_SECONDS)
    )
    for each in found:
        print(f"  {each.level.mark} {printable(each.found)}")
    is_broken = any(each.level is Level.BROKEN for each in found)
    if is_broken and not confirm("Use this address although it cannot be reached?", default=False):
        raise ValueError("Enter another address.")
    return text


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("an answer is required")
    return text


def _optional(parse: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: parse(text) if text else ""


def _one_of(choices: Mapping[str, object]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return parse
