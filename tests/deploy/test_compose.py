"""compose.yaml: what can be judged without Docker."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from django.core.management import get_commands

from tests.deploy.recipe import ROOT, compose, services

# Its processes have an installation of their own: a second stack would show nothing new.
pytestmark = pytest.mark.stackless

HUB = [name for name, service in services().items() if service.get("build")]
SETTINGS = set(
    re.findall(r"^\| `([A-Z][A-Z0-9_]+)`", (ROOT / "docs/reference/settings.md").read_text(), re.M)
)
# Compose's own: where the port is bound.
OF_COMPOSE = {"WEB_BIND"}
# The metrics library's own.
OF_THE_LIBRARY = {"PROMETHEUS_MULTIPROC_DIR"}
# Settings that no container takes from outside: for developers, in Python, or of workers alone.
NOT_PASSED_ON = {
    "DJANGO_DEBUG", "BENGOERP_NO_DOTENV", "CELERY_WORK_ROUTES", "CYPHER_DEV_KEY_FILE",
    "METRICS_PORT", "METRICS_ADDRESS",
}  # fmt: skip
TEXT = (ROOT / "compose.yaml").read_text()


def test_every_part_of_an_installation_is_there() -> None:
    assert {"web", "worker", "celery", "beat", "migrate", "sandbox", "postgres", "redis"} <= set(
        services()
    )
    assert {services()[name]["profiles"][0] for name in ("celery", "beat", "sandbox")} == {
        "celery",
        "sandbox",
    }
    # Started without a profile: what an installation needs.
    plain = {name for name, service in services().items() if "profiles" not in service}
    assert plain == {"migrate", "web", "worker", "postgres", "redis"}


@pytest.mark.parametrize("name", HUB)
def test_the_products_containers_can_change_nothing(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "user", "pid", "cap_add", "devices"} & set(service)
    assert service.get("network_mode", "service:web") == "service:web"


@pytest.mark.parametrize("name", HUB)
def test_every_variable_is_one_that_the_product_reads(name: str) -> None:
    given = services()[name]["environment"]
    assert {variable.removesuffix("_FILE") for variable in given} <= SETTINGS | OF_THE_LIBRARY


@pytest.mark.parametrize("name", HUB)
def test_every_setting_reaches_the_product(name: str) -> None:
    given = {variable.removesuffix("_FILE") for variable in services()[name]["environment"]}
    assert given >= SETTINGS - NOT_PASSED_ON


def test_an_installation_that_sets_nothing_starts(production: dict[str, str]) -> None:
    """What compose hands over empty is as good as not set."""
    given = services()["worker"]["environment"]
    empty = [name for name, value in given.items() if str(value).endswith(":-}")]
    assert "TRUSTED_PROXIES" in empty and "INTEGRATIONS_LEASE_SECONDS" not in empty
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, text=True, capture_output=True,
        env={**production, **dict.fromkeys(empty, "")}, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["worker", "celery"])
def test_workers_can_be_scraped_with_the_token(name: str) -> None:
    service = services()[name]
    given = service["environment"]
    assert given["METRICS_PORT"] == "${METRICS_PORT:-9101}"
    # Loopback of the container would be out of reach.
    assert given["METRICS_ADDRESS"] == "${METRICS_ADDRESS:-0.0.0.0}"
    assert given["METRICS_TOKEN_FILE"] == "/run/secrets/metrics_token"
    pages = [(ROOT / f"docs/how-to/{page}.md").read_text() for page in ("deploy", "observe")]
    assert "> secrets/metrics_token" in pages[0] and "worker:9101" in pages[1]


def test_celerys_processes_meet_in_a_folder_that_is_empty_at_each_start() -> None:
    celery = services()["celery"]
    folder = celery["environment"]["PROMETHEUS_MULTIPROC_DIR"]
    assert folder in celery["tmpfs"] and "/tmp" in celery["tmpfs"]
    others = [name for name in HUB if name != "celery"]
    assert not any("PROMETHEUS_MULTIPROC_DIR" in services()[name]["environment"] for name in others)


def test_every_value_that_is_asked_for_is_documented() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", TEXT))
    assert "PUBLIC_BASE_URL" in asked
    assert asked <= SETTINGS | OF_COMPOSE
    page = (ROOT / "docs/how-to/deploy.md").read_text()
    assert all(name in page for name in OF_COMPOSE)


@pytest.mark.parametrize("name", services())
def test_secrets_come_as_files_and_nothing_else_does(name: str) -> None:
    service = services()[name]
    for variable, value in service.get("environment", {}).items():
        is_secret = re.search(r"KEY|PASSWORD|SECRET|DATABASE_URL|TOKEN\b|_TOKEN_", variable)
        if is_secret:
            assert variable.endswith("_FILE"), variable
            file = str(value).removeprefix("/run/secrets/")
            assert file in service["secrets"]
        assert "@" not in str(value), "a password in a URL"
    assert set(service.get("secrets", [])) <= set(compose()["secrets"])


def test_the_files_of_secrets_reach_neither_git_nor_the_image() -> None:
    paths = {entry["file"] for entry in compose()["secrets"].values()}
    assert all(path.startswith("./secrets/") for path in paths)
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert not (ROOT / "secrets").exists()


@pytest.mark.parametrize("name", services())
def test_every_service_starts_again_and_is_watched(name: str) -> None:
    service = services()[name]
    assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")
    # The image has a check of its own for the web server.
    assert "healthcheck" in service or name == "web"


@pytest.mark.parametrize("name", HUB)
def test_nobody_starts_before_the_migrations_have_run(name: str) -> None:
    waits = services()[name]["depends_on"]
    if name == "migrate":
        assert waits == {"postgres": {"condition": "service_healthy"}}
    elif services()[name].get("network_mode"):
        assert waits == {"web": {"condition": "service_healthy"}}
    else:
        assert waits["migrate"] == {"condition": "service_completed_successfully"}


@pytest.mark.parametrize("name", HUB)
def test_every_command_is_one_that_exists(name: str) -> None:
    given = services()[name].get("command")
    if given is None:
        assert name == "web"
    elif given[0] == "celery":
        assert given[1:3] == ["-A", "bengoerp"]
    else:
        assert given[:2] == ["python", "manage.py"]
        assert given[2] in get_commands()


def test_only_the_web_server_has_a_port_and_only_on_this_machine() -> None:
    ports = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert ports == {"web": ["${WEB_BIND:-127.0.0.1:8000}:8000"]}
