"""Files that ejabberd does not see although its account may read them: systemd keeps folders from
a service (ProtectHome, PrivateTmp; systemd.exec(5)), and Debian's does that for ejabberd."""

from collections.abc import Iterator
from pathlib import Path

from extauth_http.check.account import DEFAULT, Account
from extauth_http.check.finding import Finding, warning
from extauth_http.check.named import words_of

UNITS = [
    Path(folder) / "ejabberd.service"
    for folder in ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
]
KEPT = {
    "protecthome": ("/home", "/root", "/run/user"),
    "privatetmp": ("/tmp", "/var/tmp"),  # noqa: S108 - names, nothing is written there
}
OFF = {"no", "false", "off", "0"}


def of_line(line: str, host: str, account: Account, units: list[Path] = UNITS) -> Iterator[Finding]:
    """What an ``extauth_program`` line names in folders that the package's service does not see."""
    if account.name != DEFAULT:
        return
    unit = next((each for each in units if each.is_file()), None)
    kept = list(_kept(unit)) if unit else []
    for word in words_of(line):
        if any(word.startswith(f"{folder}/") for folder in kept):
            yield warning(
                "program-hidden",
                f"extauth_program names {word}, and {unit} gives ejabberd another "
                f"/{word.split('/')[1]} than yours: started by systemd it does not see that file; "
                "put it elsewhere, below /opt or /etc say",
                host=host,
            )


def _kept(unit: Path) -> Iterator[str]:
    for line in unit.read_text(errors="replace").splitlines():
        key, _, value = line.partition("=")
        if key.strip().lower() in KEPT and value.strip().lower() not in OFF:
            yield from KEPT[key.strip().lower()]
