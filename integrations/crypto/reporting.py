"""What leaves the process when something goes wrong: no bodies, no local variables."""

from __future__ import annotations

import re
from collections.abc import ItemsView
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from integrations.crypto.masking import redact


class NoLocalsFilter(SafeExceptionReporterFilter):
    """Error reports without local variables, request bodies or callback path secrets."""

    # Django's list, and what it leaves: addresses that may carry a password.
    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern
        + "|CREDENTIAL|CYPHER|BROKER|LOCATION|(DATABASE|REDIS|PROXY).*(URL|$)",
        flags=re.IGNORECASE,
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        """Always: a developer's error page must not show a revealed secret either."""
        return True

    def get_traceback_frame_variables(self, request: Any, tb_frame: Any) -> ItemsView[str, Any]:
        """Nothing: any frame may hold a revealed secret."""
        return dict[str, Any]().items()

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """Nothing: settings forms post secrets."""
        return {}


class RedactingReporter(ExceptionReporter):
    """Error pages and mails with tokens and callback path secrets taken out."""

    def get_traceback_html(self) -> SafeString:
        """Django's page, redacted."""
        return SafeString(redact(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        """Django's text, redacted."""
        return SafeString(redact(super().get_traceback_text()))
