"""What a new user runs first."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_shows_a_token_accepted_revoked_and_replaced() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 of 16 expectations met" in done.stdout
    verdicts = [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("   a")]
    assert verdicts[:2] == ["allow", "allow"]
    assert "the token is revoked; the next login       deny" in done.stdout
    _, _, lines = done.stdout.partition("3. For your ejabberd.yml")
    assert "auth_use_cache: false" in lines
    assert lines in (ROOT / "README.md").read_text()
    assert "correct horse" not in done.stdout + done.stderr
