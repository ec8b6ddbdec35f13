"""The STK callback's route: which checks it passes before it is stored."""

from __future__ import annotations

from types import MappingProxyType

from integrations.callbacks.routes import CallbackRefused, CallbackRequest, CallbackRoute
from integrations.exceptions import InvalidInput
from integrations.payments.callback_doubts import doubts_about
from integrations.payments.stk import CALLBACK_ROUTE
from integrations.payments.stk_callback import addressee_of, settle
from integrations.providers.mpesa.callbacks import decode_json


def verify_path(request: CallbackRequest) -> list[str]:
    """The secret path segment must be a payment's: looked up by digest, so not guessable.

    Of that payment, the source list and the short-code header only raise doubts (reference,
    section 20).
    """
    payment = addressee_of(request.token_digest)
    if payment is None:
        raise CallbackRefused(401, "This callback address is not known.")
    request.business = payment.business
    return doubts_about(
        payment, source=request.source, short_code=request.headers.get("Businessshortcode", "")
    )


def verify_body(request: CallbackRequest) -> list[str]:
    """A JSON object; which object is judged when it is worked on."""
    try:
        decode_json(request.body)
    except InvalidInput as error:
        raise CallbackRefused(400, str(error)) from None
    return []


STK_ROUTE = CallbackRoute(
    name=CALLBACK_ROUTE,
    verifiers=(verify_path, verify_body),
    handle=settle,
    accepted=MappingProxyType({"ResultCode": 0, "ResultDesc": "Accepted"}),
)
