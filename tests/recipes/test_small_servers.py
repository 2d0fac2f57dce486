"""The recipe of a login form with the HTTP servers that come with Python and with the JDK."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes.recipe import Recipe

SERVERS = Path(__file__).parents[1] / "servers"
PASSWORD = "wonder:land & ü"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([sys.executable, str(SERVERS / "form_login.py")], id="Python"),
        pytest.param(
            ["java", str(SERVERS / "FormLogin.java")],
            id="JDK",
            marks=pytest.mark.skipif(not shutil.which("javac"), reason="no JDK on this machine"),
        ),
    ],
)
def test_a_login_form_of_a_small_server(command: list[str], tmp_path: Path) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            with Recipe("A login form", f"http://127.0.0.1:{port}", tmp_path) as recipe:
                for _ in range(3):
                    assert recipe.login("alice", PASSWORD) == ("allow", "allowed")
                    assert recipe.login("alice", "wrong")[0] == "deny"
                    assert recipe.login("bob", PASSWORD)[0] == "deny"
            process.terminate()
            process.wait()
            with Recipe("A login form", f"http://127.0.0.1:{port}", tmp_path) as recipe:
                assert recipe.login("alice", PASSWORD)[0] == "undecided"
        finally:
            process.kill()
