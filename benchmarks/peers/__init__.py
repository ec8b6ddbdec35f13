"""The products we compare with, set up as their documentation says, as one Django app.

They come from requirements-bench.txt; without them their figures are left out.
"""

from __future__ import annotations

from importlib.util import find_spec

MODULES = ("solo", "constance", "django_daraja", "django_mpesa", "django_webhook")


def are_installed() -> bool:
    """Whether this environment has all of them."""
    return all(find_spec(name) for name in MODULES)
