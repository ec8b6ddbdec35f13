"""The product as it is deployed, and an empty project on the same packages."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stage import ROOT

OWN = ("integrations", "notifications", "bengoerp")
# What the empty project takes over, as far as it is not our own.
SHARED = (
    "INSTALLED_APPS", "MIDDLEWARE", "AUTHENTICATION_BACKENDS", "DATABASES",
    "CACHES", "LANGUAGE_CODE",
    "TIME_ZONE",
)  # fmt: skip
_SCHEMA_CLASS = 'REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}\n'
_MIDDLEWARE = 'MIDDLEWARE += ["django_structlog.middlewares.RequestMiddleware"]\n'
_PAGES = """
import prometheus_client
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView
from unfold.admin import ModelAdmin

urlpatterns += [
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/redoc/", SpectacularRedocView.as_view(url_name="schema"), name="redoc"),
]
"""


def _environment(folder: Path, settings: str) -> dict[str, str]:
    """This run's, where modules are compiled once and the result is kept, as on a server."""
    own = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    own["PYTHONPYCACHEPREFIX"] = str(folder.with_name("compiled"))
    return {**own, "DJANGO_SETTINGS_MODULE": settings}


@dataclass(frozen=True)
class Project:
    """A Django project that can be run beside this process."""

    folder: Path
    wsgi: str
    environment: dict[str, str]


def product(folder: Path) -> Project:
    """This checkout with its own settings, on the run's database; compiled beside `folder`."""
    return Project(
        folder=ROOT,
        wsgi="bengoerp.wsgi",
        environment={
            **_environment(folder, "bengoerp.settings"),
            "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
            "CYPHER_KEY": os.environ["BENCH_CYPHER_KEY"],
            "PUBLIC_BASE_URL": "https://erp.example.ke",
            "BENGOERP_NO_DOTENV": "1",
        },
    )


def empty_project(folder: Path, *, has_pages: bool) -> Project:
    """What `django-admin startproject` makes, with our third-party apps, database and cache.

    With `has_pages` they are installed as their documentation says: drf-spectacular with its
    schema class and its pages, django-structlog's middleware, what pages and views import of
    unfold, django-filter and prometheus-client.
    """
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-m", "django", "startproject", "empty", str(folder)],
        check=True,
        env={name: text for name, text in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
    )
    with (folder / "empty" / "settings.py").open("a") as file:
        file.write("\nDEBUG = False\nALLOWED_HOSTS = ['127.0.0.1']\n")
        file.writelines(f"{name} = {value!r}\n" for name, value in _shared().items())
        if has_pages:
            file.write(_SCHEMA_CLASS + _MIDDLEWARE)
    if has_pages:
        with (folder / "empty" / "urls.py").open("a") as file:
            file.write(_PAGES)
    return Project(folder, "empty.wsgi", _environment(folder, "empty.settings"))


def _shared() -> dict[str, object]:
    from bengoerp import settings

    values = {name: getattr(settings, name) for name in SHARED}
    for name in ("INSTALLED_APPS", "MIDDLEWARE", "AUTHENTICATION_BACKENDS"):
        values[name] = [text for text in values[name] if text.partition(".")[0] not in OWN]
    return values
