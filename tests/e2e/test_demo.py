"""The newcomer's first command, as a newcomer runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def test_the_demo_tells_the_whole_story_and_exits_zero(tmp_path: Path) -> None:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", "demo"],
        cwd=PROJECT,
        env={**environment, "DJANGO_DEBUG": "1", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=150,
    )
    told = done.stdout
    assert done.returncode == 0, told + done.stderr
    assert "saved and encrypted" in told
    assert "Connected to http://127.0.0.1" in told
    assert re.search(r"succeeded  Paid, receipt [A-Z0-9]{10}\.", told)
    assert "failed     The payer typed a wrong PIN." in told
    assert '"connected": true' in told
    # Everything is stopped and nothing is left behind.
    assert list(tmp_path.iterdir()) == []
    assert "demo-consumer-secret" not in told
