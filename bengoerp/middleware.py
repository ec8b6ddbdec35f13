"""Around every request: its ids, its one log line, and its count.

The line and the count name the view and its route, never the address: addresses of callbacks are
secrets, and others may hold what people typed.
"""

from __future__ import annotations

import time

import structlog
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware as StructlogMiddleware

from bengoerp.request_user import handled_request
from integrations import metrics
from integrations.correlation import new_id, well_formed

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMiddleware(StructlogMiddleware):
    """Accepts or makes a request id and a correlation id, binds them, and answers with them.

    `X-Request-ID` and `X-Correlation-ID` are taken where they are well formed. The correlation id
    is the request id where none came. Comes before everything that logs.
    """

    def prepare(self, request: HttpRequest) -> None:
        """Bind the ids; called before the request is handled."""
        request_id = well_formed(request.headers.get("X-Request-ID")) or new_id()
        correlation_id = well_formed(request.headers.get("X-Correlation-ID")) or request_id
        structlog.contextvars.bind_contextvars(request_id=request_id, correlation_id=correlation_id)
        handled_request.set(request)
        request.observed = (request_id, correlation_id, time.perf_counter())  # type: ignore[attr-defined]

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        """Log and count the answer, and give it the ids."""
        request_id, correlation_id, began = request.observed  # type: ignore[attr-defined]
        response.headers["X-Request-ID"] = request_id
        response.headers["X-Correlation-ID"] = correlation_id
        seconds = time.perf_counter() - began
        structlog.contextvars.bind_contextvars(duration_ms=int(seconds * 1000))
        super().handle_response(request, response)
        handled_request.set(None)
        view = view_name(request)
        method = request.method if request.method in _METHODS else "other"
        metrics.http_requests.add(view, str(method), str(response.status_code))
        metrics.http_request_seconds.note(view, seconds=seconds)

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """What the log calls the request: method and route."""
        match = request.resolver_match
        method = request.method if request.method in _METHODS else "other"
        return f"{method} /{match.route}" if match else f"{method} (no route)"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Nothing: every line of the request takes the id when the user is known."""


def view_name(request: HttpRequest) -> str:
    """The name of the view, for a label: one of those that the project declares."""
    match = request.resolver_match
    return (match.view_name or "unnamed") if match else "none"
