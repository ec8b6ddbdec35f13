"""ASGI entry point, for servers that speak it; the product itself needs none."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bengoerp.settings")
application = get_asgi_application()
