"""A host ERP with a key row of its own."""

from __future__ import annotations

from django.apps import AppConfig


class HostConfig(AppConfig):
    """Named as little like ours as possible."""

    name = "tests.crypto.app"
    label = "host"
    default_auto_field = "django.db.models.BigAutoField"
