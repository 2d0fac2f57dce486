"""Programs that the AppArmor profile of ejabberd does not let ejabberd start.

Debian 12 has the profile, in complain mode. If an operator enforces it, the shell of ejabberd
cannot start the program. ``check`` has no profile, so that the program starts here.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from extauth_http.check.account import DEFAULT, TIMEOUT, Account
from extauth_http.check.finding import Finding, broken, warning
from extauth_http.check.program.command_line import split

PROFILE = "/usr/sbin/ejabberdctl"
LOADED = Path("/sys/kernel/security/apparmor/profiles")
"""The profiles that the kernel uses. Only root can read it."""

FOLDER = Path("/etc/apparmor.d")
FILE = "usr.sbin.ejabberdctl"
PACKAGED = Path("/usr/bin/extauth-http")
SNIPPET = "abstractions/extauth-http"
"""The Debian package of extauth-http has it: the rule for ``PACKAGED``."""

JOURNAL = ("journalctl", "--dmesg", "--quiet", "--no-pager", "--output=cat")
INCLUDE = re.compile(r'#?include\s+(?:if\s+exists\s+)?[<"]([^>"]+)[>"]')
RULE = re.compile(r'(?:(?:audit|owner|allow)\s+)*"?(/[^\s"]*)"?\s+([A-Za-z]+)\b')
RULE_WITH_PATH_LAST = re.compile(r'(?:(?:audit|owner|allow)\s+)*([A-Za-z]+)\s+"?(/[^\s",]*)')
GLOB = re.compile(r"\*\*|@\{\w+\}|[*?{},]")
PATTERNS = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", ",": "|", "}": ")"}
ANY = ".*"
"""What a variable such as ``@{HOME}`` may stand for."""


def findings(
    command_line: str,
    host: str,
    account: Account,
    *,
    loaded: Path = LOADED,
    folder: Path = FOLDER,
    journal: tuple[str, ...] = JOURNAL,
) -> Iterator[Finding]:
    """The executable of a command line, if ejabberd's profile is enforced and has no rule for it.

    A warning, and a problem if the kernel has logged that it denied the start.
    """
    words = split(command_line)
    if account.name != DEFAULT or not words or not words[0].startswith("/"):
        return
    program = Path(words[0]).resolve()  # the kernel looks at the target of a link
    if not _is_enforced(loaded) or _is_allowed(program, folder):
        return
    text = (
        f"the AppArmor profile {PROFILE} is enforced and has no rule for {program}: ejabberd "
        "cannot start it, although this check can"
    )
    line = _correction(program, folder)
    denial = _last_denial(program, journal)
    if denial:
        yield broken("program-apparmor", text, line=line, host=host, details=(denial,))
    else:
        yield warning("program-apparmor", text, line=line, host=host)


def _is_enforced(loaded: Path) -> bool:
    try:
        return f"{PROFILE} (enforce)" in loaded.read_text().splitlines()
    except OSError:
        return False


def _is_allowed(program: Path, folder: Path) -> bool:
    return any(
        "x" in mode.lower() and re.fullmatch(_regular_expression(path), str(program))
        for path, mode in map(_path_and_mode, _lines(folder / FILE, folder, set()))
    )


def _path_and_mode(rule: str) -> tuple[str, str]:
    if match := RULE.match(rule):
        return match[1], match[2]
    match = RULE_WITH_PATH_LAST.match(rule)
    return (match[2], match[1]) if match else ("", "")


def _lines(file: Path, folder: Path, seen: set[Path]) -> Iterator[str]:
    """The lines of a profile and of the files that it includes, without comments."""
    if file in seen:
        return
    seen.add(file)
    if file.is_dir():
        for each in sorted(file.iterdir()):
            yield from _lines(each, folder, seen)
        return
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in map(str.strip, lines):
        included = INCLUDE.match(line)
        if included:
            yield from _lines(folder / included[1], folder, seen)
        elif not line.startswith("#"):
            yield line


def _regular_expression(path: str) -> str:
    """The paths that a path of a rule stands for (apparmor.d(5), Globbing)."""
    parts, end = [], 0
    for match in GLOB.finditer(path):
        parts += [re.escape(path[end : match.start()]), PATTERNS.get(match[0], ANY)]
        end = match.end()
    return "".join([*parts, re.escape(path[end:])])


def _last_denial(program: Path, journal: tuple[str, ...]) -> str:
    """What the kernel has logged about its last refusal to start the program."""
    try:
        done = subprocess.run(
            journal, capture_output=True, text=True, timeout=TIMEOUT, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = ('apparmor="DENIED"', 'operation="exec"', f'profile="{PROFILE}"', f'name="{program}"')
    found = [line for line in done.stdout.splitlines() if all(word in line for word in words)]
    return found[-1].strip() if found else ""


def _correction(program: Path, folder: Path) -> str:
    rule = f"{shlex.quote(str(program))} rUx,"
    if program == PACKAGED and (folder / SNIPPET).exists():
        rule = f"include <{SNIPPET}>"
    local = folder / "local" / FILE
    return f"echo '{rule}' >> {local} && apparmor_parser --replace {folder / FILE}"
