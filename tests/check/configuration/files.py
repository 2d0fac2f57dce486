"""A configuration file for a test, and the findings about it."""

from pathlib import Path

from extauth_http.check.account import Account
from extauth_http.check.configuration import file as configuration
from extauth_http.check.finding import Finding

BACKEND = '[backend]\nkind = "rest"\nurl = "http://127.0.0.1:8080/xmpp"\n'
SECRET = '[backend.service_auth]\nkind = "bearer"\ntoken = "swordfish"\n'


def written(folder: Path, text: str, mode: int = 0o640) -> Path:
    file = folder / "extauth-http.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def found_of(file: Path, account: Account | None, *, for_ejabberd: bool = True) -> list[Finding]:
    return configuration.findings(file, account, for_ejabberd=for_ejabberd)[1]
