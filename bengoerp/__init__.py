"""The Django project that hosts `integrations` and `notifications`."""

from bengoerp.celery import app as celery_app

__all__ = ["celery_app"]
