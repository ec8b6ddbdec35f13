"""Logging: one line an event, JSON outside DEBUG, secrets masked on the way out."""

from __future__ import annotations

import logging
import logging.config
from typing import Any

from integrations.crypto.masking import RedactingFilter
from integrations.crypto.reporting import JsonFormatter


def configure(options: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG hook; `options` holds `level` (name) and `json` (bool)."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"redact": {"()": RedactingFilter}},
            "formatters": {
                "json": {"()": JsonFormatter},
                "plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
            },
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "filters": ["redact"],
                    "formatter": "json" if options["json"] else "plain",
                }
            },
            # Django's own handlers would print or mail the same lines without redaction.
            "loggers": {
                name: {"handlers": [], "level": "NOTSET", "propagate": True}
                for name in ("django", "django.server")
            },
            "root": {"handlers": ["stderr"], "level": options["level"]},
        }
    )
