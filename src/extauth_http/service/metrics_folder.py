"""The folder in which the processes of one ``serve`` keep their metrics."""

import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "extauth-http-metrics-"
"""The name of a folder is this, the process ID of its ``serve``, and a random text."""


def create_metrics_folder() -> str:
    """A new folder. Removes those that a killed ``serve`` of this account has left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_left_over(folder):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")


def _is_left_over(folder: Path) -> bool:
    pid = folder.name.removeprefix(PREFIX).partition("-")[0]
    try:
        found = folder.lstat()
        is_ours = found.st_uid == os.geteuid() and folder.is_dir() and not folder.is_symlink()
        return is_ours and pid.isdecimal() and not Path(f"/proc/{pid}").exists()
    except OSError:
        return False
