"""Every error has one shape, a true status, and no internal detail."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import UnreadablePostError
from rest_framework.exceptions import MethodNotAllowed, Throttled, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory

from integrations import exceptions
from integrations.api.hub_view import HubView
from integrations.api.rights import BusinessRefused


class Raising(HubView):
    """A view whose work fails."""

    permission_classes = [AllowAny]
    authentication_classes: list[Any] = []
    error: Exception = RuntimeError()

    def get(self, _request: Request) -> Response:
        raise self.error


def answer(error: Exception) -> Response:
    return Raising.as_view(error=error)(APIRequestFactory().get("/"))


@pytest.mark.parametrize(
    ("error", "status", "extra"),
    [
        (exceptions.InvalidInput("amount", "must be positive."), 400,
         {"code": "invalid_input", "field": "amount"}),
        (exceptions.Unsupported("No."), 400, {"code": "unsupported"}),
        (exceptions.ConfigurationError("Not set."), 503, {"code": "not_configured"}),
        (exceptions.ConfigurationUnavailable("Away."), 503, {"code": "configuration_unavailable"}),
        (exceptions.DecryptionError("Key."), 503, {"code": "key_mismatch"}),
        (exceptions.TransportError("Away.", sent=False), 502, {"code": "transport_error"}),
        (exceptions.ProviderError("No.", code="400.002.02", permanent=True), 502,
         {"code": "400.002.02"}),
        (exceptions.OutcomeUnknown("Who knows."), 502, {"code": "outcome_unknown"}),
        (exceptions.IntegrationError("Not stored.", code="not_stored"), 500,
         {"code": "not_stored"}),
    ],
)  # fmt: skip
def test_our_errors_carry_their_code(
    error: exceptions.IntegrationError, status: int, extra: dict[str, str]
) -> None:
    response = answer(error)
    assert response.status_code == status
    assert response.data == {
        "success": False,
        "error": {
            "type": type(error).__name__,
            "detail": error.message,
            "help": error.help_url,
            **extra,
        },
    }


@pytest.mark.parametrize(
    ("error", "status", "detail", "marks"),
    [
        (ValidationError({"phone": ["Too short."]}), 400, {"phone": ["Too short."]},
         {"code": "invalid", "field": "phone"}),
        (ValidationError(["Nothing fits."]), 400, ["Nothing fits."], {"code": "invalid"}),
        (MethodNotAllowed("GET"), 405, 'Method "GET" not allowed.',
         {"code": "method_not_allowed"}),
        (Throttled(wait=3), 429, "Request was throttled. Expected available in 3 seconds.",
         {"code": "throttled"}),
        (DjangoPermissionDenied(), 403, "You do not have permission to perform this action.",
         {"code": "permission_denied"}),
        (BusinessRefused(), 403, "business: this caller may not work on this business.",
         {"code": "business_not_allowed", "field": "business"}),
    ],
)  # fmt: skip
def test_errors_of_the_framework_are_wrapped(
    error: Exception, status: int, detail: Any, marks: dict[str, str]
) -> None:
    response = answer(error)
    assert response.status_code == status
    section = "invalid_input" if marks["code"] == "invalid" else marks["code"]
    assert response.data == {
        "success": False,
        "error": {
            "type": type(error).__name__,
            "detail": detail,
            "help": exceptions.help_url(section),
            **marks,
        },
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [(RequestDataTooBig("x"), 413), (SuspiciousOperation("x"), 400), (UnreadablePostError(), 400)],
)
def test_requests_that_django_refuses_are_the_callers_fault(error: Exception, status: int) -> None:
    response = answer(error)
    assert response.status_code == status
    assert response.data["error"]["code"]


def test_an_unexpected_error_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "integrations.api.errors"):
        response = answer(RuntimeError("the database password is hunter2"))
    assert response.status_code == 500
    assert response.data == {
        "success": False,
        "error": {
            "type": "InternalError",
            "detail": "Something went wrong here; the log has the details.",
            "code": "internal_error",
            "help": "docs/reference/troubleshooting.md#internal_error",
        },
    }
    [record] = caplog.records
    assert record.exc_info
    assert "Raising" in record.getMessage()
