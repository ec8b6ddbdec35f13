"""An application folder as the image has it, made by the Dockerfile's own steps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.recipe import ROOT, build, copied
from tests.hunt.plants import planted

KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


@pytest.fixture(scope="session")
def app_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build stage's /app: what COPY names, and what RUN makes of it (but no package)."""
    folder = tmp_path_factory.mktemp("image") / "app"
    folder.mkdir()
    for pattern in copied():
        for source in ROOT.glob(pattern):
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
                shutil.copytree(source, folder / source.name, ignore=ignored)
            else:
                shutil.copy(source, folder)
    for step in build().all("RUN"):
        if " pip " not in step and " venv " not in step:
            done = run_step(step, folder)
            assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run_step(step: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A RUN line, by the shell and with the stage's environment; our Python stands for /venv's."""
    return subprocess.run(
        ["/bin/sh", "-euc", step.replace("/venv/bin/python", sys.executable)],
        cwd=folder,
        env={**plain_environment(), "BENGOERP_NO_DOTENV": "1"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def plain_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT if name in os.environ}


@pytest.fixture
def production(tmp_path: Path) -> dict[str, str]:
    """The environment of an embedded production installation; secrets as files."""
    secrets = {
        "DJANGO_SECRET_KEY": planted("Django secret key") * 2,
        "CYPHER_KEY": planted("environment key"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'hub.sqlite3'}",
    }
    files = {}
    for name, value in secrets.items():
        path = tmp_path / name.lower()
        path.write_text(value + "\n")
        files[f"{name}_FILE"] = str(path)
    return {
        **plain_environment(),
        **files,
        "BENGOERP_NO_DOTENV": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_ALLOWED_HOSTS": "erp.example.ke",
        "PUBLIC_BASE_URL": "https://erp.example.ke",
    }
