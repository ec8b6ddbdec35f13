"""The newcomer's first command, as a newcomer runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from integrations.sandbox.stack import fresh_environment

# Its processes have an installation of their own: a second stack would show nothing new.
pytestmark = pytest.mark.stackless

PROJECT = Path(__file__).resolve().parents[2]

README = PROJECT / "README.md"


def in_general(told: str) -> str:
    """Without ports, times, ids and receipts."""
    told = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:port", told)
    told = re.sub(r"\d\d:\d\d:\d\d\.\d{3}", "time", told)
    told = re.sub(r"ws_CO_\d+", "checkout id", told)
    told = re.sub(r"receipt [A-Z0-9]{10}", "receipt", told)
    told = re.sub(r"\d+ KB", "KB", told)
    return re.sub(r"\(\d+ ms\)", "(ms)", told).strip()


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
    assert re.search(r"succeeded +Paid, receipt [A-Z0-9]{10}\.", told)
    assert re.search(r"failed +The payer typed a wrong PIN\.", told)
    assert re.search(r"awaiting_approval +KES 1,500 to 254733000002\.", told)
    assert re.search(r"succeeded +Paid out, receipt [A-Z0-9]{10}\.", told)
    assert told.count("signature genuine") == 3
    assert re.search(r"INV-1001 +signed .* KRA's number 1, ", told)
    assert re.search(r"CN-1001 +signed .* KRA's number 2, ", told)
    assert re.search(r"kra +healthy +Connected to", told)
    assert re.search(r"mpesa +healthy +Connected to", told)
    # What the README shows is what is printed now, but for what differs from run to run.
    shown = re.search(r"demo-output: begin -->\n```text\n(.*?)```", README.read_text(), re.DOTALL)
    assert shown is not None
    assert in_general(told).split("\n") == in_general(shown.group(1)).split("\n")
    # Everything is stopped and nothing is left behind.
    assert list(tmp_path.iterdir()) == []
    assert "demo-consumer-secret" not in told


SHOW = """
import json, django
django.setup()
from django.conf import settings
default = settings.DATABASES["default"]
print(json.dumps([str(default["NAME"]), settings.SECURE_SSL_REDIRECT]))
"""


def test_the_demo_reads_no_env_file(tmp_path: Path) -> None:
    """In a copy of the checkout whose .env names a production database."""
    for name in ("bengoerp", "integrations", "notifications"):
        shutil.copytree(
            PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    (tmp_path / "database").write_text(f"sqlite:///{tmp_path / 'precious.sqlite3'}")
    (tmp_path / ".env").write_text(
        f"DATABASE_URL_FILE={tmp_path / 'database'}\nDJANGO_SECURE_SSL_REDIRECT=1\n"
    )

    def shown(environment: dict[str, str]) -> list[object]:
        done = subprocess.run(
            [sys.executable, "-c", SHOW],
            cwd=tmp_path,
            env={**environment, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return list(json.loads(done.stdout))

    environment = fresh_environment(tmp_path)
    assert shown(environment) == [str(tmp_path / "demo.sqlite3"), False]
    # The file is one that would have been obeyed.
    del environment["BENGOERP_NO_DOTENV"]
    assert shown(environment) == [str(tmp_path / "precious.sqlite3"), True]
