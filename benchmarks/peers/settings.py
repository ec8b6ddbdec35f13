"""The peers' settings: their documented defaults, the same values as our row."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.values import FIELDS

APPS = ["solo", "django_daraja", "django_mpesa", "django_webhook", "benchmarks.peers"]
# Its migrations speak to Redis, so it is no app where there is none.
NEEDS_REDIS = "constance"
CALLBACK_URL = f"{FIELDS['callback_base_url']}/payments/result/"


def add_to(settings: dict[str, Any]) -> None:
    """Set the peers up in a settings module's namespace."""
    settings["INSTALLED_APPS"] += APPS
    settings.update(_daraja(), MPESA=_mainfinity())
    # Its own defaults store every event, as ours do.
    settings["DJANGO_WEBHOOK"] = {"MODELS": ["peers.Invoice"]}
    if settings["REDIS_URL"]:
        # Made before the apps are: django-webhook's tasks join the application that there is.
        from benchmarks.peers import celery_app  # noqa: F401

        settings["INSTALLED_APPS"].append(NEEDS_REDIS)
        settings["CACHES"]["solo"] = _solo_cache()
        settings.update(_config())


def _config() -> dict[str, Any]:
    return {
        "SOLO_CACHE": "solo",
        "CONSTANCE_REDIS_CONNECTION": os.environ["REDIS_URL"],
        # Shaped like the keys of this run's cache, so they leave with them.
        "CONSTANCE_REDIS_PREFIX": f"{os.environ['BENCH_NAME']}:1:constance:",
        "CONSTANCE_CONFIG": {name: ("", name, str) for name in FIELDS},
    }


def _solo_cache() -> dict[str, Any]:
    """django-redis with its own defaults: pickles, since django-solo stores whole rows."""
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": os.environ["REDIS_URL"],
        "KEY_PREFIX": os.environ["BENCH_NAME"],
        "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient"},
    }


def _daraja() -> dict[str, Any]:
    return {
        "MPESA_ENVIRONMENT": "sandbox",
        "MPESA_CONSUMER_KEY": FIELDS["consumer_key"],
        "MPESA_CONSUMER_SECRET": FIELDS["consumer_secret"],
        "MPESA_EXPRESS_SHORTCODE": FIELDS["short_code"],
        "MPESA_PASSKEY": FIELDS["passkey"],
    }


def _mainfinity() -> dict[str, Any]:
    return {
        "ENV": "sandbox",
        "CONSUMER_KEY": FIELDS["consumer_key"],
        "CONSUMER_SECRET": FIELDS["consumer_secret"],
        "SHORTCODE": FIELDS["short_code"],
        "PASSKEY": FIELDS["passkey"],
        "STK_CALLBACK_URL": CALLBACK_URL,
        "TRANSACTION_MODEL": "peers.MpesaTransaction",
        "CALLBACK_LOG_MODEL": "peers.MpesaCallbackLog",
    }
