"""The two C2B routes of a short code: may this be paid, and this was paid."""

from __future__ import annotations

from types import MappingProxyType

from integrations.callbacks.routes import (
    CallbackRefused,
    CallbackRequest,
    CallbackRoute,
    Reply,
    Verifier,
)
from integrations.callbacks.stk import verify_body
from integrations.payments.c2b import CONFIRMATION_ROUTE, VALIDATION_ROUTE
from integrations.payments.c2b_callback import called, settle
from integrations.payments.c2b_rules import decide
from integrations.providers.mpesa.codes import C2B_REJECTIONS

# Money has moved by then, so nothing else is ever answered (Daraja reference, section 8).
CONFIRMED = MappingProxyType({"ResultCode": 0, "ResultDesc": "Success"})


def _verify_path(kind: str) -> Verifier:
    """The secret path segment must be that of a registration; see `called`."""

    def verify(request: CallbackRequest) -> list[str]:
        found = called(
            request.token_digest,
            kind=kind,
            source=request.source,
            short_code=request.headers.get("Businessshortcode", ""),
        )
        if found is None:
            raise CallbackRefused(401, "This callback address is not known.")
        request.business, request.addressee = found.registration.business, found.registration
        return found.doubts

    return verify


def answer_validation(request: CallbackRequest) -> Reply:
    """Take the payment, or reject it with one of M-Pesa's codes."""
    code = decide(request.addressee, request.body)
    if not code:
        return Reply({"ResultCode": "0", "ResultDesc": "Accepted"}, "Accepted.")
    reason = f"Rejected with {code}: {C2B_REJECTIONS[code].cause}"
    return Reply({"ResultCode": code, "ResultDesc": "Rejected"}, reason)


CONFIRMATION = CallbackRoute(
    name=CONFIRMATION_ROUTE,
    # A body that can't be read is stored as well, answered alike, and quarantined when worked on.
    verifiers=(_verify_path("confirmation"),),
    handle=settle,
    accepted=CONFIRMED,
)
VALIDATION = CallbackRoute(
    name=VALIDATION_ROUTE,
    verifiers=(_verify_path("validation"), verify_body),
    handle=None,
    reply=answer_validation,
)
