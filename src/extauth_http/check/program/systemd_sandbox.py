"""Files that ejabberd does not see although its account may read them: systemd keeps folders from
a service (ProtectHome, PrivateTmp; systemd.exec(5)), and Debian's does that for ejabberd."""

from collections.abc import Iterator
from pathlib import Path

from extauth_http.check.account import DEFAULT, Account
from extauth_http.check.finding import Finding, warning
from extauth_http.check.program.command_line import words_of

UNITS = [
    Path(folder) / "ejabberd.service"
    for folder in ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
]
KEPT = {
    "protecthome": ("/home", "/root", "/run/user"),
    "privatetmp": ("/tmp", "/var/tmp"),  # noqa: S108 - names, nothing is written there
}
ON = {"1", "yes", "y", "true", "t", "on", "tmpfs", "disconnected"}


def of_line(line: str, host: str, account: Account, units: list[Path] = UNITS) -> Iterator[Finding]:
    """What an ``extauth_program`` line names in folders that the package's service does not see."""
    if account.name != DEFAULT:
        return
    unit = next((each for each in units if each.is_file()), None)
    added = [each for one in units for each in Path(f"{one}.d").glob("*.conf")]
    kept = list(_kept([unit, *sorted(added, key=lambda each: each.name)])) if unit else []
    for word in (each.rpartition("=")[2] for each in words_of(line)):
        if any(word.startswith(f"{folder}/") for folder in kept):
            yield warning(
                "program-hidden",
                f"extauth_program names {word}, and {unit} gives ejabberd another "
                f"/{word.split('/')[1]} than yours: started by systemd it does not see that file; "
                "put it elsewhere, below /opt or /etc say",
                host=host,
            )


def _kept(files: list[Path]) -> Iterator[str]:
    """What a unit and what is added to it (systemctl edit) say last."""
    lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
    said = {key.strip().lower(): value for key, _, value in (each.partition("=") for each in lines)}
    for key, folders in KEPT.items():
        if said.get(key, "").strip().lower() in ON:
            yield from folders
