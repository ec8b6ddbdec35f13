"""The Django project that hosts `integrations` and `notifications`."""
