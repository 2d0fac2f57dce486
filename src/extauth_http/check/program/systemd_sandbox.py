"""Files that systemd hides from ejabberd although its account may read them.

``ProtectHome`` and ``PrivateTmp`` (systemd.exec(5)) replace folders for a service. Debian's unit
of ejabberd uses both.
"""

from collections.abc import Iterator
from pathlib import Path

from extauth_http.check.account import DEFAULT, Account
from extauth_http.check.finding import Finding, warning
from extauth_http.check.program.command_line import split

UNITS = [
    Path(folder) / "ejabberd.service"
    for folder in ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
]
HIDDEN_FOLDERS = {
    "protecthome": ("/home", "/root", "/run/user"),
    "privatetmp": ("/tmp", "/var/tmp"),  # noqa: S108 - nothing is written there
}
ON = {"1", "yes", "y", "true", "t", "on", "tmpfs", "disconnected"}


def findings(
    command_line: str, host: str, account: Account, units: list[Path] = UNITS
) -> Iterator[Finding]:
    """Files in a command line that the service ejabberd cannot see."""
    if account.name != DEFAULT:
        return
    unit = next((each for each in units if each.is_file()), None)
    if unit is None:
        return
    overrides = [each for one in units for each in Path(f"{one}.d").glob("*.conf")]
    hidden = _hidden_folders([unit, *sorted(overrides, key=lambda each: each.name)])
    for word in (each.rpartition("=")[2] for each in split(command_line)):
        if any(word.startswith(f"{folder}/") for folder in hidden):
            yield warning(
                "program-hidden",
                f"extauth_program uses {word}, but with {unit} ejabberd has its own "
                f"/{word.split('/')[1]} and cannot see that file. Move it to another folder, such "
                "as /opt or /etc",
                host=host,
            )


def _hidden_folders(files: list[Path]) -> list[str]:
    """The folders that a unit and its overrides (systemctl edit) hide. The last value counts."""
    lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
    pairs = (line.partition("=") for line in lines)
    values = {key.strip().lower(): value.strip().lower() for key, _, value in pairs}
    return [
        folder
        for key, folders in HIDDEN_FOLDERS.items()
        if values.get(key) in ON
        for folder in folders
    ]
