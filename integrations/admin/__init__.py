"""Plain Django admin of the hub. Importing it registers everything."""

from integrations.admin import installation, payments, trail
from integrations.admin.settings_admin import register_settings

register_settings()

__all__ = ["installation", "payments", "trail"]
