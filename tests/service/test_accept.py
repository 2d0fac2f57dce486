"""Connections that ``serve`` cannot accept."""

import json
import resource
import shutil
import socket
import time
from pathlib import Path

import pytest

from tests.integration.program import rest
from tests.integration.service import Service
from tests.service.processes import ServeProcess

CONNECTIONS = 60


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="needs prlimit (util-linux)")
def test_a_lack_of_descriptors_is_logged_once_and_not_for_each_attempt(
    tmp_path: Path, service: Service
) -> None:
    config = f'[backend]\nkind = "rest"\nurl = "{service.url}"\n'
    wrapper = ("prlimit", "--nofile=40")
    with ServeProcess(tmp_path, config, workers=1, wrapper=wrapper) as serving:
        opened = [socket.socket(socket.AF_UNIX) for _ in range(CONNECTIONS)]
        try:
            for each in opened:
                each.connect(str(serving.socket))
            until = time.monotonic() + 20
            while not failures(serving) and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(1)  # some fifty attempts
            (event,) = failures(serving)
            assert event["count"] == 1
            assert "a limit of 40 files; raise LimitNOFILE=" in str(event["detail"])
        finally:
            for each in opened:
                each.close()


def failures(serving: ServeProcess) -> list[dict[str, object]]:
    lines = serving.log_file.read_text().splitlines()
    return [event for line in lines if (event := json.loads(line))["event"] == "accept_failed"]


def test_the_soft_limit_of_descriptors_is_raised(tmp_path: Path) -> None:
    with ServeProcess(
        tmp_path, rest("http://127.0.0.1:1"), wrapper=("prlimit", "--nofile=64:200")
    ) as serving:
        for pid in (serving.process.pid, *serving.workers()):
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (200, 200)
