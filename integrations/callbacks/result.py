"""The routes of results and of time-outs: what M-Pesa answers to calls in the initiator's name."""

from __future__ import annotations

from types import MappingProxyType

from integrations.callbacks.routes import CallbackRefused, CallbackRequest, CallbackRoute
from integrations.callbacks.stk import verify_body
from integrations.models import InboundCallback
from integrations.models.inbound_callback import Verdict
from integrations.payments import out_result
from integrations.payments.callback_doubts import doubts_about
from integrations.payments.queries import addressee_of_query, settle_query
from integrations.payments.query_sender import RESULT_ROUTE, TIMEOUT_ROUTE

ACCEPTED = MappingProxyType({"ResultCode": 0, "ResultDesc": "Accepted"})


def verify_path(request: CallbackRequest) -> list[str]:
    """The secret path segment must be a payout's, a reversal's or a question's: looked up by
    digest, so not guessable.

    Its source list and the short-code header only raise doubts (reference, section 20).
    """
    addressee = out_result.addressee_of(request.token_digest)
    if addressee is None:
        addressee = addressee_of_query(request.token_digest)
    if addressee is None:
        raise CallbackRefused(401, "This callback address is not known.")
    request.business = addressee.business
    return doubts_about(
        addressee, source=request.source, short_code=request.headers.get("Businessshortcode", "")
    )


def settle(callback: InboundCallback) -> Verdict:
    """Move whatever was asked for at this address: money that goes out, or a question."""
    payment = out_result.payment_of(callback.token_digest)
    if payment is not None:
        return out_result.settle(callback, payment)
    return settle_query(callback)


RESULT_CALLBACK = CallbackRoute(
    name=RESULT_ROUTE,
    verifiers=(verify_path, verify_body),
    handle=settle,
    accepted=ACCEPTED,
)
TIMEOUT_CALLBACK = CallbackRoute(
    name=TIMEOUT_ROUTE,
    verifiers=(verify_path, verify_body),
    handle=settle,
    accepted=ACCEPTED,
)
