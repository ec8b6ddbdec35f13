"""WSGI entry point (gunicorn bengoerp.wsgi)."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bengoerp.settings")
application = get_wsgi_application()
# What is loaded now stays: a full collection would search through it in the middle of a request.
gc.freeze()
