"""Errors of the HTTP API: one shape, true statuses, no internal detail.

`{"success": false, "error": {"type", "detail"}}`, plus `code` and, for bad input, `field` where
the error is one of ours.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from rest_framework import status
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.response import Response
from rest_framework.views import exception_handler as default_handler
from rest_framework.views import set_rollback

from integrations import exceptions

logger = logging.getLogger(__name__)
UNEXPECTED = "Something went wrong here; the log has the details."

# The nearest class in an error's ancestry decides.
STATUSES: Mapping[type[Exception], int] = {
    exceptions.InvalidInput: status.HTTP_400_BAD_REQUEST,
    exceptions.Unsupported: status.HTTP_400_BAD_REQUEST,
    exceptions.ConfigurationError: status.HTTP_503_SERVICE_UNAVAILABLE,
    exceptions.DecryptionError: status.HTTP_503_SERVICE_UNAVAILABLE,
    exceptions.TransportError: status.HTTP_502_BAD_GATEWAY,
    exceptions.ProviderError: status.HTTP_502_BAD_GATEWAY,
    exceptions.OutcomeUnknown: status.HTTP_502_BAD_GATEWAY,
    exceptions.IntegrationError: status.HTTP_500_INTERNAL_SERVER_ERROR,
}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """DRF's EXCEPTION_HANDLER: an answer for every exception, also for unexpected ones."""
    if isinstance(exc, exceptions.IntegrationError):
        set_rollback()
        return Response(_describe(exc), status=_status_of(exc))
    if isinstance(exc, NotAuthenticated | AuthenticationFailed):
        # DRF answers 403 to sessions, since browsers know no challenge for them; callers of an
        # API need to tell "log in" from "not allowed".
        exc.status_code = status.HTTP_401_UNAUTHORIZED
        exc.auth_header = getattr(exc, "auth_header", None) or "Session"  # type: ignore[union-attr]
    answer = default_handler(exc, context)
    if answer is not None:
        answer.data = _body(type(exc).__name__, _detail(answer.data))
        return answer
    view = type(context.get("view")).__name__
    logger.error("view=%s unexpected %s", view, type(exc).__name__, exc_info=exc)
    set_rollback()
    return Response(_body("InternalError", UNEXPECTED), status=500)


def _describe(error: exceptions.IntegrationError) -> dict[str, Any]:
    body = _body(type(error).__name__, error.message)
    body["error"]["code"] = error.code
    if isinstance(error, exceptions.InvalidInput):
        body["error"]["field"] = error.field
    return body


def _status_of(error: exceptions.IntegrationError) -> int:
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def _detail(data: Any) -> Any:
    return data["detail"] if isinstance(data, dict) and set(data) == {"detail"} else data


def _body(kind: str, detail: Any) -> dict[str, Any]:
    return {"success": False, "error": {"type": kind, "detail": detail}}
