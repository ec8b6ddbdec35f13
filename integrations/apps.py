"""Django app of the integration hub: connects the layers' hooks, once, at start."""

from __future__ import annotations

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    """Keeps the documented app label; `ready` is the only place that wires layers together."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "integrations"
    verbose_name = "Integrations"

    def ready(self) -> None:
        """Give each lower layer what it needs from above."""
        from integrations import checks, wiring  # noqa: F401 - importing checks registers them

        wiring.connect()
