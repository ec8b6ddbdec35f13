"""What leaves the process when something goes wrong: no bodies, no local variables."""

from __future__ import annotations

import json
import logging
from typing import Any

from django.http import HttpRequest
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from integrations.crypto.masking import redact


class NoLocalsFilter(SafeExceptionReporterFilter):
    """Error reports without local variables, request bodies or callback path secrets."""

    def is_active(self, request: HttpRequest | None) -> bool:  # noqa: ARG002
        """Always: a developer's error page must not show a revealed secret either."""
        return True

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> list[Any]:  # noqa: ARG002
        """Nothing: any frame may hold a revealed secret."""
        return []

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:  # noqa: ARG002
        """Nothing: settings forms post secrets."""
        return {}


class RedactingReporter(ExceptionReporter):
    """Error pages and mails with tokens and callback path secrets taken out."""

    def get_traceback_html(self) -> str:
        """Django's page, redacted."""
        return redact(super().get_traceback_html())

    def get_traceback_text(self) -> str:
        """Django's text, redacted."""
        return redact(super().get_traceback_text())


class JsonFormatter(logging.Formatter):
    """One JSON object per record: time, level, logger, message, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a JSON line."""
        entry = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info or record.exc_text:
            entry["exception"] = record.exc_text or redact(self.formatException(record.exc_info))  # type: ignore[arg-type]
        return json.dumps(entry, ensure_ascii=False)
