"""The folder of the metrics: what a killed ``serve`` leaves is removed by the next one."""

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from extauth_http.service.metrics_folder import PREFIX, create_metrics_folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def ended_process() -> int:
    with subprocess.Popen(["true"]) as process:
        process.wait()
        return process.pid


def test_the_folder_of_a_process_that_ended_is_removed(temporary: Path) -> None:
    left = temporary / f"{PREFIX}{ended_process()}-abc"
    left.mkdir()
    (left / "counter.db").write_text("x")
    folder = Path(create_metrics_folder())
    assert list(temporary.iterdir()) == [folder]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_is_in_use_or_is_no_folder_of_ours_stays(temporary: Path) -> None:
    ended = ended_process()
    running = temporary / f"{PREFIX}{os.getpid()}-abc"
    running.mkdir()
    (temporary / f"{PREFIX}other").mkdir()
    (temporary / f"{PREFIX}{ended}-file").write_text("x")
    elsewhere = temporary / "elsewhere"
    elsewhere.mkdir()
    (temporary / f"{PREFIX}{ended}-link").symlink_to(elsewhere)
    before = set(temporary.iterdir())
    created = Path(create_metrics_folder())
    assert set(temporary.iterdir()) == before | {created}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_the_folder_of_another_account_stays(temporary: Path) -> None:
    other = temporary / f"{PREFIX}{ended_process()}-abc"
    other.mkdir()
    os.chown(other, 1, 1)
    create_metrics_folder()
    assert other.exists()
