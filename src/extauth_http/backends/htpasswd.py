"""The ``htpasswd`` kind: a local file with the few accounts that must work while the service is
down, such as the administrator of ejabberd's API.

A line is ``NAME:HASH``; NAME is a user, or USER@HOST. The hash is bcrypt (``htpasswd -B``) or
Argon2. The file is read at each command, so a changed password counts from the next login.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

import argon2
import bcrypt
from pydantic import field_validator

from extauth_http.backends.base import Backend
from extauth_http.config.backend import BackendSettings
from extauth_http.http.client import HttpClient
from extauth_http.protocol.command import Command
from extauth_http.protocol.preparation import nodeprep
from extauth_http.protocol.verdict import Answer, UndecidedError, Verdict

MAX_FILE = 1 << 20
"""Bytes of the file. It is for a few accounts, and read at each command."""

MAX_BCRYPT_COST = 15
MAX_ARGON2_MEMORY = 256 * 1024  # KiB
MAX_ARGON2_TIME = 10
"""The most work for one check. It cannot be interrupted, and more would not end in time."""

MAX_BCRYPT_PASSWORD = 72
"""Bytes that bcrypt reads. It ignores the rest, so a longer password would match a part of it."""

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")

UNKNOWN = Answer(Verdict.DENY, "unknown_user", "the name is not in the file")
WRONG = Answer(Verdict.DENY, "denied")


class HtpasswdSettings(BackendSettings):
    """``file`` is the absolute path. It is a text and not a Path because it is no part of the
    configuration: a change of the file does not load the configuration again."""

    sends_requests = False

    file: str

    @field_validator("file")
    @classmethod
    def _check_file(cls, file: str) -> str:
        if not file.startswith("/"):
            raise ValueError("expected an absolute path")
        return file


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the file. ``number`` starts at 1."""

    number: int
    name: str
    hash: str


class Htpasswd(Backend):
    Settings = HtpasswdSettings

    def __init__(self, settings: HtpasswdSettings) -> None:
        self._file = settings.file

    def auth(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Checks the password. An unknown name costs as much as a known one: the password is
        compared with the first hash of the file, and the result is not used."""
        entries = list(read_entries(self._file))
        entry = _find(entries, command)
        if entry is None:
            if entries:
                matches(entries[0], command.password)
            return UNKNOWN
        return Answer(Verdict.ALLOW, "allowed") if matches(entry, command.password) else WRONG

    def isuser(self, command: Command, http: HttpClient) -> Verdict | Answer:
        """Whether the name is in the file."""
        is_known = _find(read_entries(self._file), command)
        return Answer(Verdict.ALLOW, "allowed") if is_known else UNKNOWN

    def _change(self, command: Command, http: HttpClient) -> Answer:
        """A name that is not in the file may be a user of the next table of a chain."""
        if _find(read_entries(self._file), command) is None:
            return UNKNOWN
        return Answer(Verdict.DENY, "unsupported", "this user can only be changed in the file")

    setpass = tryregister = removeuser = removeuser3 = certauth = _change


def read_entries(file: str) -> Iterator[Entry]:
    """The lines with a name. Raises UndecidedError (``local_file``)."""
    for number, line in enumerate(_read(file).splitlines(), 1):
        name, colon, hash_ = line.strip().partition(":")
        if colon and not name.startswith("#"):
            yield Entry(number, name, hash_)


def _read(file: str) -> str:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(descriptor, encoding="utf-8") as opened:  # noqa: PTH123 - it is a descriptor
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise _file_error(file, "is not a file")
            if found.st_mode & stat.S_IWOTH:
                raise _file_error(file, "can be written by every account; run: chmod o-w")
            if found.st_size > MAX_FILE:
                raise _file_error(file, f"is larger than {MAX_FILE} bytes")
            return opened.read()
    except OSError as error:
        raise _file_error(file, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _file_error(file, "is not UTF-8 text") from None


def _find(entries: Iterator[Entry] | list[Entry], command: Command) -> Entry | None:
    """The entry of the user. Raises UndecidedError (``local_file``) if there are two."""
    names = (command.user, f"{command.user}@{command.host}")
    found = [entry for entry in entries if _prepared(entry.name) in names]
    if len(found) > 1:
        lines = " and ".join(str(entry.number) for entry in found[:2])
        raise UndecidedError("local_file", f"lines {lines} are about the same user")
    return found[0] if found else None


def _prepared(name: str) -> str:
    """The name as ejabberd prepares it. A name that it refuses is nobody's."""
    user, at, host = name.partition("@")
    try:
        return f"{nodeprep(user)}{at}{host.lower()}"
    except ValueError:
        return ""


def matches(entry: Entry, password: str) -> bool:
    """Whether the password is that of the entry. Raises UndecidedError (``local_file``)."""
    data = password.encode()
    if problem := problem_of(entry):
        raise UndecidedError("local_file", problem)
    if entry.hash.startswith("$argon2"):
        try:
            return argon2.PasswordHasher().verify(entry.hash, data)
        except argon2.exceptions.VerifyMismatchError:
            return False
        except argon2.exceptions.Argon2Error as error:
            name = type(error).__name__
            raise UndecidedError("local_file", f"line {entry.number}: {name}") from None
    if len(data) > MAX_BCRYPT_PASSWORD or b"\0" in data:
        return False
    return bcrypt.checkpw(data, entry.hash.encode())


def problem_of(entry: Entry) -> str:
    """Why the hash of an entry cannot be used, without the hash; empty if it can."""
    if found := _BCRYPT.fullmatch(entry.hash):
        if 4 <= int(found[1]) <= MAX_BCRYPT_COST:
            return ""
        return f"line {entry.number}: expected a bcrypt cost from 4 to {MAX_BCRYPT_COST}"
    try:
        parameters = argon2.extract_parameters(entry.hash)
    except (argon2.exceptions.InvalidHashError, ValueError):
        return (
            f"line {entry.number}: expected a hash of bcrypt or Argon2; htpasswd -B writes bcrypt"
        )
    if parameters.memory_cost > MAX_ARGON2_MEMORY or parameters.time_cost > MAX_ARGON2_TIME:
        return (
            f"line {entry.number}: expected Argon2 with at most {MAX_ARGON2_MEMORY} KiB of memory "
            f"and {MAX_ARGON2_TIME} passes"
        )
    return ""


def _file_error(file: str, why: str) -> UndecidedError:
    return UndecidedError("local_file", f"{file} {why}")
