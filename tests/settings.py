"""Settings of the test suite: the product's own, with fast hashing and per-run keys.

DATABASE_URL and REDIS_URL choose the stack, exactly as in production.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.hunt.plants import planted

os.environ.setdefault("DJANGO_SECRET_KEY", planted("Django secret key") * 2)
os.environ.setdefault("DJANGO_DEBUG", "0")
os.environ.setdefault("DJANGO_SECURE_SSL_REDIRECT", "0")
os.environ.setdefault("CYPHER_KEY", planted("environment key"))
# Child processes that a test starts inherit the same key. Nothing waits for a lease to end in
# this process, and a machine that stands still for a second must fail nothing here: leases are
# short (`tests.processes`) only where processes are killed.
os.environ.setdefault("INTEGRATIONS_LEASE_SECONDS", "20")
os.environ.setdefault("INTEGRATIONS_DEADLINE_SECONDS", "18")
os.environ.setdefault("INTEGRATIONS_KRA_LEASE_SECONDS", "20")
os.environ.setdefault("INTEGRATIONS_KRA_DEADLINE_SECONDS", "18")

from bengoerp.settings import *  # noqa: F403
from bengoerp.settings import CACHES, DATABASES, INSTALLED_APPS, MIDDLEWARE, REST_FRAMEWORK

ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [*INSTALLED_APPS, "tests.work.app", "tests.crypto.app"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
# One folder for the run, named to child processes; removed when the run ends.
_folder = os.environ.get("TEST_DB_DIR") or tempfile.mkdtemp(prefix="bengoerp-tests-")
os.environ["TEST_DB_DIR"] = _folder
STATIC_ROOT = Path(_folder) / "static"
STATIC_ROOT.mkdir(exist_ok=True)
REST_FRAMEWORK = {**REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
# The leak hunt keeps what leaves each process; the search comes at the end of the run.
LOGGING_CONFIG = "tests.hunt.collectors.configure_logging"
MIDDLEWARE = ["tests.hunt.collectors.AnswerWatcher", *MIDDLEWARE]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

_worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not memory: the live server, the sandbox and child processes share it.
    # pytest-django appends the xdist worker to the test name; child processes need it too.
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder}/test.sqlite3"}
    _suffix = "" if _worker == "main" else f"_{_worker}"
    DATABASES["default"]["NAME"] = f"{_folder}/test.sqlite3{_suffix}"
    DATABASES["default"]["OPTIONS"]["init_command"] = (
        "PRAGMA journal_mode=WAL;PRAGMA synchronous=OFF;"
    )
INTEGRATIONS_REDIS_PREFIX = f"bengoerp-test-{_worker}"
if "redis" in CACHES["default"]["BACKEND"]:
    CACHES["default"]["KEY_PREFIX"] = INTEGRATIONS_REDIS_PREFIX
