"""A foreign project as small as can be: it defines nothing of what the hub reads."""

from __future__ import annotations

import os

SECRET_KEY = "host-project-" + "x" * 50
DEBUG = False
ALLOWED_HOSTS = ["testserver"]
USE_TZ = True
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "integrations",
    # Last: its key model uses a field of ours.
    "tests.crypto.app",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "integrations.api.middleware.ActorMiddleware",
]
ROOT_URLCONF = "tests.contract.host_urls"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["HOST_DATABASE"]}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
