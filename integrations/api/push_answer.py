"""The HTTP answer to a push, from the 3-tuple of the payment service."""

from __future__ import annotations

from typing import Any

from rest_framework import status
from rest_framework.response import Response

from integrations.api.errors import CONFLICTS, FORBIDDEN
from integrations.models import PaymentState

SHOWN = (
    "payment_id", "state", "checkout_id", "merchant_request_id", "code", "retry_safe", "repeated",
)  # fmt: skip
# Not known yet whether the payer was prompted.
OPEN = {PaymentState.SENDING, PaymentState.UNKNOWN}


def answer_push(success: bool, message: str | None, data: dict[str, Any] | None) -> Response:
    """201 prompted, 200 repeated, 202 not known; 502 failed at the provider, with the payment.

    What was refused before anything was stored: 400, 409 or 503, without one.
    """
    found = data or {}
    state, text = str(found.get("state", "")), message or ""
    if state == "refused":
        return answer_refusal(found, text)
    defaults = dict.fromkeys(SHOWN, "") | {"retry_safe": False, "repeated": False}
    shown = {name: found.get(name, defaults[name]) for name in SHOWN}
    body = {"success": success, **shown, "message": text}
    if found.get("repeated"):
        return Response(body, status=status.HTTP_200_OK)
    if success:
        return Response(body, status=status.HTTP_201_CREATED)
    if state in OPEN:
        return Response(body, status=status.HTTP_202_ACCEPTED)
    marks = {name: str(found.get(name, "")) for name in ("code", "help")}
    body["error"] = {"type": "PaymentFailed", "detail": text, **marks}
    return Response(body, status=status.HTTP_502_BAD_GATEWAY)


def answer_refusal(found: dict[str, Any], text: str) -> Response:
    """What was refused before anything was stored: 400, 403, 409 or 503."""
    return Response(_refusal(found, text), status=_refusal_status(found))


def _refusal(found: dict[str, Any], text: str) -> dict[str, Any]:
    """The documented envelope; a payment that stands in the way is named."""
    error = {"type": "PushRefused", "detail": text, "code": found["code"], "help": found["help"]}
    if found.get("field"):
        error["field"] = found["field"]
    body: dict[str, Any] = {"success": False, "error": error, "retry_safe": found["retry_safe"]}
    return {**body, "payment_id": found["payment_id"]} if found["payment_id"] else body


def _refusal_status(found: dict[str, Any]) -> int:
    if found["code"] in CONFLICTS:
        return status.HTTP_409_CONFLICT
    if found["code"] in FORBIDDEN:
        return status.HTTP_403_FORBIDDEN
    is_callers_fault = found.get("field") or found["code"] == "unsupported"
    return status.HTTP_400_BAD_REQUEST if is_callers_fault else status.HTTP_503_SERVICE_UNAVAILABLE
