"""The answers make a configuration that the program accepts."""

import tomllib
from pathlib import Path

import pytest

from extauth_http.backends.registry import BUILT_IN, backend_of_kind, load
from extauth_http.config.loader import validate
from extauth_http.config.settings import Settings
from extauth_http.init.answers import Answers, toml
from extauth_http.init.kinds import KINDS, SERVICE_AUTH

SECRET = "swordfish-swordfish-swordfish-42"
URL = "https://service.example.org/x"
TEXTS = {"url": URL, "issuer": URL, "client_id": 'x"y\\z', "audience": "xmpp", "file": "/f"}


def answers_of(kind: str, *, optional: bool, service_auth: str = "none") -> Answers:
    fields = KINDS[kind]
    keys = (*fields.required, *(fields.optional if optional else ()))
    values = {key: TEXTS.get(key, "sub") for key in keys}
    if fields.has_issuer:
        values["issuer" if optional else "url"] = URL
    return Answers(
        kind=kind,
        values=values,
        hosts=("example.org", "b.example") if optional else (),
        service_auth=service_auth,
        username="me" if service_auth == "basic" else "",
        header_name="X-Api-Key" if service_auth == "header" else "",
        secret_file=Path("/etc/ejabberd/x.secret"),
        secret=SECRET,
    )


CASES = [
    *((kind, optional, "none") for kind in KINDS for optional in (False, True)),
    *(
        (kind, True, auth)
        for kind, fields in KINDS.items()
        if fields.has_service_auth
        for auth in SERVICE_AUTH
    ),
]


@pytest.mark.parametrize(("kind", "optional", "auth"), CASES)
def test_each_kind_is_valid_before_and_after_the_files_are_written(
    tmp_path: Path, kind: str, optional: bool, auth: str
) -> None:
    answers = answers_of(kind, optional=optional, service_auth=auth)
    file = tmp_path / "extauth-http.toml"
    tables = answers.tables(with_secret=True)
    before = validate(Settings, file, tables, backend_of_kind)
    secret_file = tmp_path / "secret"
    secret_file.write_text(f"{SECRET}\n")
    text = toml(answers.tables(with_secret=False))
    file.write_text(text.replace("/etc/ejabberd/x.secret", str(secret_file)))
    after = load(file)
    assert set(after.backends()) == set(before.backends())
    assert after.backends().keys() == (
        {"hosts.example.org.backend", "hosts.b.example.backend"} if optional else {"backend"}
    )
    assert SECRET not in text
    assert SECRET not in repr(answers)


def test_the_text_has_the_same_tables() -> None:
    tables = answers_of("jwt", optional=True).tables(with_secret=False)
    assert tomllib.loads(toml(tables)) == tables


def test_every_kind_exists() -> None:
    assert set(BUILT_IN) - set(KINDS) == {"chain"}
