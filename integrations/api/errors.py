"""Errors of the HTTP API: one shape, true statuses, no internal detail.

`{"success": false, "error": {"type", "detail", "code", "help"}}`, and `field` where one field is to
blame. `help` leads to the section of the troubleshooting page about the code.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, UnreadablePostError
from rest_framework import status
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    NotAuthenticated,
    ParseError,
    ValidationError,
)
from rest_framework.response import Response
from rest_framework.views import exception_handler as default_handler
from rest_framework.views import set_rollback

from integrations import exceptions
from integrations.api.bodies import BodyTooLarge

logger = logging.getLogger(__name__)
UNEXPECTED = "Something went wrong here; the log has the details."

# The nearest class in an error's ancestry decides.
STATUSES: Mapping[type[Exception], int] = {
    exceptions.InvalidInput: status.HTTP_400_BAD_REQUEST,
    exceptions.Unsupported: status.HTTP_400_BAD_REQUEST,
    exceptions.ApprovalRefused: status.HTTP_409_CONFLICT,
    exceptions.ConfigurationError: status.HTTP_503_SERVICE_UNAVAILABLE,
    exceptions.DecryptionError: status.HTTP_503_SERVICE_UNAVAILABLE,
    exceptions.TransportError: status.HTTP_502_BAD_GATEWAY,
    exceptions.ProviderError: status.HTTP_502_BAD_GATEWAY,
    exceptions.OutcomeUnknown: status.HTTP_502_BAD_GATEWAY,
    exceptions.IntegrationError: status.HTTP_500_INTERNAL_SERVER_ERROR,
}
FORBIDDEN = {
    "approval_by_token", "approval_forbidden", "approval_not_yours", "approval_own",
    "business_not_allowed", "not_permitted",
}  # fmt: skip
CONFLICTS = {
    "already_decided", "already_printed", "batch_state", "confirmation_needed", "device_asked",
    "device_busy",
    "device_ready", "idempotency_in_progress", "idempotency_mismatch", "invoice_differs",
    "not_in_doubt", "not_open", "not_signed", "nothing_to_retry", "number_open", "number_passed",
    "number_taken", "request_open", "webhook_body_dropped", "webhook_endpoint_off",
    "webhook_replay_count", "webhook_replay_empty", "webhook_replay_limit", "webhook_replay_over",
    "webhook_replay_running",
}  # fmt: skip
# What Django and DRF call the usual faults of a value; one section explains them all.
FAULTS_OF_VALUES = frozenset(
    {
        "blank", "date", "datetime", "does_not_exist", "empty", "incorrect_type", "invalid",
        "invalid_choice", "invalid_list", "make_aware", "max_decimal_places", "max_digits",
        "max_length", "max_string_length", "max_value", "max_whole_digits", "min_length",
        "min_value", "not_a_list", "null", "null_characters_not_allowed", "overflow", "required",
        "surrogate_characters_not_allowed", "unique", "unique_together",
    }
)  # fmt: skip


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response:
    """DRF's EXCEPTION_HANDLER: an answer for every exception, also for unexpected ones."""
    if isinstance(exc, exceptions.IntegrationError):
        set_rollback()
        return Response(describe_error(exc), status=status_of(exc))
    exc = _as_known(exc)
    if isinstance(exc, NotAuthenticated | AuthenticationFailed):
        # DRF answers 403 to sessions, since browsers know no challenge for them; callers of an
        # API need to tell "log in" from "not allowed".
        exc.status_code = status.HTTP_401_UNAUTHORIZED
        exc.auth_header = getattr(exc, "auth_header", None) or "Session"  # type: ignore[union-attr]
    answer = default_handler(exc, context)
    if answer is not None:
        answer.data = _body(type(exc).__name__, _detail(answer.data), **_marks(exc))
        return answer
    view = type(context.get("view")).__name__
    logger.error("view=%s unexpected %s", view, type(exc).__name__, exc_info=exc)
    set_rollback()
    return Response(_body("InternalError", UNEXPECTED, code="internal_error"), status=500)


def _as_known(exc: Exception) -> Exception:
    """Django's own refusals of a request, as DRF's."""
    if isinstance(exc, RequestDataTooBig):
        return BodyTooLarge()
    if isinstance(exc, UnreadablePostError | SuspiciousOperation):
        return ParseError("The request could not be read.")
    return exc


def describe_error(error: exceptions.IntegrationError) -> dict[str, Any]:
    """The body for an error of this product."""
    body = _body(type(error).__name__, error.message, code=error.code, help=error.help_url)
    if isinstance(error, exceptions.InvalidInput):
        body["error"]["field"] = error.field
    return body


def status_of(error: exceptions.IntegrationError) -> int:
    """The status for an error of this product."""
    if error.code in CONFLICTS:
        return status.HTTP_409_CONFLICT
    if error.code in FORBIDDEN:
        return status.HTTP_403_FORBIDDEN
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def _marks(exc: Exception) -> dict[str, str]:
    """`code`, and `field` where one field is to blame."""
    if isinstance(exc, Http404):
        return {"code": "not_found"}
    if isinstance(exc, PermissionDenied):
        return {"code": "permission_denied"}
    if isinstance(exc, ValidationError):
        return _first_fault(exc.get_codes())
    if not isinstance(exc, APIException):
        return {}
    codes = exc.get_codes()
    marks = {"code": codes if isinstance(codes, str) else exc.default_code}
    field = getattr(exc, "field", "")
    return {**marks, "field": field} if field else marks


def _first_fault(codes: Any) -> dict[str, str]:
    """The first field of a validation error and what is wrong with it."""
    if isinstance(codes, Mapping) and codes:
        name, found = next(iter(codes.items()))
        first = found[0] if isinstance(found, list) and found else found
        code = first if isinstance(first, str) else "invalid"
        return {"code": code} if name == "non_field_errors" else {"code": code, "field": str(name)}
    return {"code": codes[0] if isinstance(codes, list) and codes else "invalid"}


def _detail(data: Any) -> Any:
    return data["detail"] if isinstance(data, dict) and set(data) == {"detail"} else data


def _body(kind: str, detail: Any, **marks: str) -> dict[str, Any]:
    code = marks.get("code")
    if code:
        section = "invalid_input" if code in FAULTS_OF_VALUES else code
        marks.setdefault("help", exceptions.help_url(section))
    return {"success": False, "error": {"type": kind, "detail": detail, **marks}}
