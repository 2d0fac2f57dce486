"""``extauth-http check`` as a process, and an ``ejabberd.yml`` for it."""

import getpass
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.program import EXECUTABLE

YML = """
hosts: [example.org]
auth_method: [external]
auth_use_cache: false
disable_sasl_mechanisms: [X-OAUTH2]
extauth_pool_size: 4
extauth_program: "{program} --config {config}"
"""
ME = getpass.getuser()


def check(*arguments: str | Path, password: str = "", **environment: str) -> Any:
    words = [str(EXECUTABLE)]
    rest = list(map(str, arguments))
    if rest and rest[0] == "--config":
        words += [rest.pop(0), rest.pop(0)]
    return subprocess.run(
        [*words, "check", "--run-as", ME, *rest],
        input=f"{password}\n" * bool(password),
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/", **environment},
        timeout=60,
        check=False,
    )
