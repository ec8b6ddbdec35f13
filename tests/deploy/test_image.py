"""The Dockerfile, played through without Docker: same files, same steps, same commands."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.deploy.conftest import plain_environment, run_step
from tests.deploy.recipe import (
    ROOT,
    build,
    command,
    copied,
    final,
    health_command,
    services,
    stages,
)

# Its processes have an installation of their own: a second stack would show nothing new.
pytestmark = pytest.mark.stackless


def run(
    arguments: list[str], folder: Path, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments[1:]] if arguments[0] == "python" else arguments,
        cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_it_is_built_in_two_stages_and_runs_as_nobody_in_particular() -> None:
    assert [stage.image.split()[0] for stage in stages()] == ["python:${PYTHON}-slim"] * 2
    user = final().one("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    # Nothing after it runs as root, and nothing before it belongs to the application's user.
    words = [word for word, _rest in final().steps]
    assert "RUN" not in words[words.index("USER") :]
    assert not any("--chown" in line for line in final().all("COPY"))


def test_no_secret_is_in_a_layer() -> None:
    for stage in stages():
        for line in (*stage.all("ENV"), *stage.all("ARG")):
            assert not re.search(r"KEY|SECRET|PASSWORD|TOKEN|_URL", line), line
    for line in build().all("RUN"):
        for value in re.findall(r"(?:KEY|SECRET|PASSWORD)\w*=(\S+)", line):
            assert value.startswith('"$('), "a key that is made in the step ends with it"


def test_only_named_things_can_reach_the_image() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert allowed == {name.replace("p[y]", "py") for name in copied()}
    assert not {".env", ".git", "secrets", "tests", "docs", "db.sqlite3"} & allowed


def test_the_pinned_packages_are_the_ones_that_the_tests_use() -> None:
    [step] = [step for step in build().all("RUN") if " pip " in step]
    assert "--requirement requirements.txt" in step
    pins = re.findall(
        r"^([\w-]+)(?:\[\w+\])?==(\S+)", (ROOT / "requirements.txt").read_text(), re.M
    )
    assert len(pins) > 15
    assert {name: version(name) for name, _pin in pins} == dict(pins)


def test_the_images_python_is_one_that_the_product_supports() -> None:
    text = (ROOT / "Dockerfile").read_text()
    default = re.search(r"^ARG PYTHON=(\d+)\.(\d+)$", text, re.M)
    assert default is not None
    assert (int(default[1]), int(default[2])) >= (3, 11)


def test_static_files_are_in_the_image_with_their_manifest(app_folder: Path) -> None:
    manifest = json.loads((app_folder / "staticfiles/staticfiles.json").read_text())
    assert any(name.startswith("integrations/") for name in manifest["paths"])
    assert any(name.startswith("unfold/") for name in manifest["paths"])
    assert not (app_folder / ".env").exists()
    assert not (app_folder / ".dev").exists()


def test_a_step_that_fails_fails_the_build(tmp_path: Path) -> None:
    """The rehearsal can tell: without the copied files the step for static files breaks."""
    [step] = [step for step in build().all("RUN") if "collectstatic" in step]
    assert run_step(step, tmp_path).returncode != 0


def test_the_deployment_checks_are_clean_in_the_image(
    app_folder: Path, production: dict[str, str]
) -> None:
    migrate = services()["migrate"]["command"]
    done = run(migrate, app_folder, production)
    assert done.returncode == 0, done.stderr
    check = ["python", "manage.py", "check", "--deploy", "--database", "default"]
    done = run([*check, "--fail-level", "WARNING"], app_folder, production)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_serves_is_found_healthy_and_writes_nothing_beside_itself(
    app_folder: Path, production: dict[str, str], tmp_path: Path
) -> None:
    assert run(services()["migrate"]["command"], app_folder, production).returncode == 0
    before = files(app_folder)
    port = free_port()
    arguments = [part.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for part in command()]
    probe = ["python", "-c", PROBE.format(path="/livez", port=port)]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=app_folder,
            env=production,
            stdout=log,
            stderr=log,
        )
    try:
        end = time.monotonic() + 60
        while (found := run(probe, app_folder, production)).returncode:
            assert time.monotonic() < end, (tmp_path / "log").read_text() + found.stderr
            time.sleep(0.3)
        ready = ["python", "-c", PROBE.format(path="/readyz", port=port)]
        assert run(ready, app_folder, production).returncode == 0
        strange = {**production, "DJANGO_ALLOWED_HOSTS": "other.example.ke"}
        assert "HTTP 400" in run(probe, app_folder, strange).stderr
    finally:
        server.terminate()
        server.wait(30)
    assert server.returncode == 0
    assert run(probe, app_folder, production).returncode == 1
    assert files(app_folder) == before


# The image's check has a fixed port; here the server has a free one.
PROBE = "import sys, bengoerp.healthcheck as h; sys.exit(h.main({path!r}, ('127.0.0.1', {port})))"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_health_check_asks_the_port_that_the_command_binds() -> None:
    assert health_command() == ["python", "-m", "bengoerp.healthcheck"]
    assert "0.0.0.0:8000" in command()
    assert final().one("EXPOSE") == "8000"
    assert command()[:2] == ["gunicorn", "bengoerp.wsgi"]
    assert "--threads" in command()


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        ("", "localhost"),
        ("*", "localhost"),
        ("erp.example.ke, 10.0.0.1", "erp.example.ke"),
        (".example.ke", "example.ke"),
    ],
)
def test_the_health_check_names_a_host_that_is_allowed(
    tmp_path: Path, listed: str, asked: str
) -> None:
    code = "import bengoerp.healthcheck as h; print(h.allowed_host())"
    env = {**plain_environment(), "DJANGO_ALLOWED_HOSTS": listed}
    assert run(["python", "-c", code], ROOT, env).stdout.strip() == asked
    (tmp_path / "hosts").write_text(listed + "\n")
    env = {**plain_environment(), "DJANGO_ALLOWED_HOSTS_FILE": str(tmp_path / "hosts")}
    assert run(["python", "-c", code], ROOT, env).stdout.strip() == asked


def test_the_health_check_loads_nothing_heavy() -> None:
    code = "import sys, bengoerp.healthcheck; print('django' in sys.modules)"
    assert run(["python", "-c", code], ROOT, plain_environment()).stdout.strip() == "False"
