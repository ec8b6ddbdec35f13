"""What leaves a Django process of a test run, kept for the search. Loaded by tests.settings.

Child processes with those settings are collected in the same way.
"""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Callable
from typing import Any

from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponseBase
from django.views.debug import get_exception_reporter_class

from bengoerp import logging as product_logging
from tests.hunt.spool import spool


class SpoolHandler(logging.Handler):
    """Keeps what the product's own handler would write, with its filters and its formatter."""

    def __init__(self, product: logging.Handler) -> None:
        super().__init__(logging.DEBUG)
        self._filters = product.filters[:]
        self.setFormatter(product.formatter)

    def emit(self, record: logging.LogRecord) -> None:
        # Filters rewrite their record, which other handlers still want to see as it was.
        record = copy.copy(record)
        if all(_passes(each, record) for each in self._filters):
            spool.note("log", self.format(record), where=record.name)


def _passes(item: Any, record: logging.LogRecord) -> bool:
    return bool(item.filter(record) if hasattr(item, "filter") else item(record))


def configure_logging(options: dict[str, Any]) -> None:
    """LOGGING_CONFIG: the product's, at its level, beside a handler that keeps every record."""
    product_logging.configure(options)
    (product,) = logging.root.handlers
    product.setLevel(options["level"])
    # In front, or it would only see what the product's filter left of the record.
    logging.root.handlers.insert(0, SpoolHandler(product))
    logging.root.setLevel(logging.DEBUG)
    connect()


class AnswerWatcher:
    """Middleware around all others: keeps every answer, with its headers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        # Files that are streamed are the same for everybody.
        body = b"" if response.streaming else response.content
        channel = "admin page" if request.path.startswith("/admin/") else "HTTP answer"
        head = "\n".join(f"{name}: {value}" for name, value in response.items())
        spool.note(channel, head.encode() + b"\n\n" + body, where=_route(request))
        return response


def _route(request: HttpRequest | None) -> str:
    """The pattern of the address; the address itself is the caller's, and may hold a secret."""
    match = getattr(request, "resolver_match", None)
    return str(match.route) if match else "no view"


def note_error_report(request: HttpRequest | None = None, **_: Any) -> None:
    """Keep the report that Django would mail or show of the error being handled."""
    kind, error, trace = sys.exc_info()
    for is_email in (True, False):
        report = get_exception_reporter_class(request)(
            request, kind, error, trace, is_email=is_email
        )
        spool.note("error report", report.get_traceback_text(), where=_route(request))
        spool.note("error report", report.get_traceback_html(), where=_route(request))


def note_task(sender: Any = None, body: Any = None, headers: Any = None, **_: Any) -> None:
    """Keep what a task takes to the broker."""
    spool.note("task payload", repr((headers, body)), where=str(sender))


def note_task_failure(sender: Any = None, einfo: Any = None, **_: Any) -> None:
    """Keep what Celery would log of a failed task."""
    spool.note("error report", str(einfo), where=str(sender))


def connect() -> None:
    from celery.signals import before_task_publish, task_failure

    got_request_exception.connect(note_error_report, dispatch_uid="hunt")
    before_task_publish.connect(note_task, dispatch_uid="hunt", weak=False)
    task_failure.connect(note_task_failure, dispatch_uid="hunt", weak=False)
