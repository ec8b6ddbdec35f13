"""What an answer of Daraja means: the body first, the HTTP status second.

Source: Daraja reference, sections 1 to 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.crypto import redact
from integrations.exceptions import OutcomeUnknown, ProviderError, TransportError
from integrations.outbound import Response
from integrations.providers.mpesa.codes import (
    PRODUCT_MISSING,
    RESULTS,
    TOKEN_REJECTIONS,
    ErrorMeaning,
    Explanation,
    Outcome,
    Refusal,
    explain,
    explain_error,
)
from integrations.providers.mpesa.payloads import clean_text

# Spike arrest, quota (section 3).
_THROTTLED = frozenset({"500.003.02", "500.003.03"})
# The ack's id is spelt in two ways (section 8).
_ORIGINATOR_KEYS = ("OriginatorConversationID", "OriginatorCoversationID")
# Where success has a field and codes of its own (section 16).
_OWN_CODES = {
    "pull_register": ("ResponseStatus", frozenset({"1000", "1001"})),
    "pull": ("ResponseCode", frozenset({"1000", "1001"})),
}


@dataclass(frozen=True, slots=True)
class Ack:
    """Daraja took a request; its result comes to the result URL, if it has one.

    `originator_id` is the one M-Pesa answers for, "" where it told none.
    """

    conversation_id: str
    originator_id: str
    text: str


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """What an STK query said. `explanation` is None where no state could be had."""

    body: dict[str, Any]
    explanation: Explanation | None
    error: ErrorMeaning | None = None
    result_text: str = ""


def read_body(response: Response) -> dict[str, Any]:
    """The answer to a request; {} for a gateway's own page that refuses it.

    Raises TransportError (sent) for any other body that is not JSON. 408 is a proxy that gave
    up waiting: what lay behind it is not known.
    """
    try:
        return response.json()
    except TransportError:
        if 400 <= response.status < 500 and response.status != 408:
            return {}
        raise


def words(value: object, limit: int) -> str:
    """M-Pesa's own words, fit to be kept and shown: they may repeat an address of ours, whose
    path is secret."""
    return clean_text(redact(str(value or "")), limit)


def envelope(body: dict[str, Any]) -> tuple[str, str]:
    """(error code, message) of an error answer; "" where the body is something else.

    Reads the gateway's own shape as well: fault, with its code in a detail (section 3).
    """
    fault = body.get("fault")
    if isinstance(fault, dict) and not body.get("errorCode"):
        detail = fault.get("detail")
        code = detail.get("errorcode") if isinstance(detail, dict) else ""
        return clean_text(code or "", 80), words(fault.get("faultstring"), 300)
    code, message = body.get("errorCode") or "", body.get("errorMessage") or ""
    return clean_text(code, 40), words(message, 300)


def rejects_token(response: Response) -> bool:
    """Whether the answer refuses the access token, in any of its dresses (section 2)."""
    if response.status not in (400, 401, 404):
        return False
    try:
        code, message = envelope(response.json())
    except TransportError:  # HTML, empty: no envelope
        return False
    return code in TOKEN_REJECTIONS and PRODUCT_MISSING not in message.lower()


def is_throttled(response: Response) -> bool:
    """Whether the answer says "too many calls": spike arrest, quota, or the status 429.

    The gateway's own envelope is not confirmed on Daraja. Source: Daraja reference, section 3.
    """
    if response.status == 429:
        return True
    try:
        code, _message = envelope(response.json())
    except TransportError:
        return False
    return code in _THROTTLED or code.endswith(("SpikeArrestViolation", "QuotaViolation"))


def classify(response: Response, *, operation: str = "stk_push") -> tuple[str, str, str]:
    """(outcome, code, request id) for the call's record; raises TransportError for no JSON."""
    body = response.json()
    request_id = str(body.get("requestId") or body.get("MerchantRequestID") or "")[:120]
    if is_accepted(response, body, operation=operation):
        return "ok", "", request_id
    code, message = envelope(body)
    shown = (code or response_code(body, operation) or str(response.status))[:40]
    if _has_code_alone(response, body, operation):
        is_refused = isinstance(_refused_by_code(response, body, operation, ""), ProviderError)
        return "refused" if is_refused else "unknown", shown, request_id
    meaning = explain_error(response.status, code, message, operation=operation)
    outcome = {Refusal.UNCERTAIN: "unknown", Refusal.PENDING: "ok"}.get(meaning.refusal, "refused")
    return outcome, shown, request_id


def response_code(body: dict[str, Any], operation: str) -> str:
    """The code that says whether a request was taken, "" where there is none.

    Keys are also seen with a space in them (section 16).
    """
    name = _OWN_CODES[operation][0] if operation in _OWN_CODES else "ResponseCode"
    value = told(body, name)
    return "" if value is None else clean_text(value, 40)


def told(body: dict[str, Any], name: str) -> Any:
    """The value of a key that may have spaces in it, None where there is none."""
    return next((value for key, value in body.items() if key.replace(" ", "") == name), None)


def is_accepted(response: Response, body: dict[str, Any], *, operation: str = "stk_push") -> bool:
    """Zeros in a good answer; an errorCode inside HTTP 200 is still an error (section 3)."""
    if response.status != 200 or envelope(body)[0]:
        return False
    code = response_code(body, operation)
    if operation in _OWN_CODES:
        return code in _OWN_CODES[operation][1]
    return code.strip("0") == "" != code


def read_ack(response: Response, *, operation: str) -> Ack:
    """The acknowledgement of an asynchronous product; raises what `as_error` makes."""
    body = read_body(response)
    if not is_accepted(response, body, operation=operation):
        raise as_error(response, body, operation=operation)
    ids = [clean_text(body.get(key) or "", 100) for key in _ORIGINATOR_KEYS]
    return Ack(
        conversation_id=clean_text(body.get("ConversationID") or "", 100),
        originator_id=next((text for text in ids if text), ""),
        text=words(body.get("ResponseDescription"), 300),
    )


def as_error(response: Response, body: dict[str, Any], *, operation: str = "stk_push") -> Exception:
    """The error of an answer that is no acceptance.

    ProviderError where it says that nothing was done, else OutcomeUnknown.
    """
    request_id = str(body.get("requestId") or "")[:120]
    if _has_code_alone(response, body, operation):
        return _refused_by_code(response, body, operation, request_id)
    meaning = explain_error(response.status, *envelope(body), operation=operation)
    if meaning.refusal in (Refusal.PERMANENT, Refusal.LATER):
        return ProviderError(
            meaning.text,
            code=meaning.code,
            permanent=meaning.refusal is Refusal.PERMANENT,
            request_id=request_id,
        )
    return OutcomeUnknown(meaning.text, code=meaning.code)


def _has_code_alone(response: Response, body: dict[str, Any], operation: str) -> bool:
    has_code = bool(response_code(body, operation))
    return response.status == 200 and has_code and not envelope(body)[0]


def _refused_by_code(
    response: Response, body: dict[str, Any], operation: str, request_id: str
) -> Exception:
    """A good answer whose code is not that of success, or is and lacks what it should name.

    Of a payment in the initiator's name only a documented code proves that nothing was done.
    """
    if is_accepted(response, body, operation=operation):
        return OutcomeUnknown("M-Pesa accepted the request without naming it.")
    code = response_code(body, operation)
    has_table = operation in RESULTS and operation != "stk_push"
    meaning = explain(code, operation) if has_table else None
    if meaning is not None and meaning.outcome is Outcome.UNKNOWN:
        return OutcomeUnknown(meaning.sentence, code=code)
    reason = told(body, "ResponseDescription") or told(body, "ResponseMessage")
    text = words(reason or "no reason given", 120)
    return ProviderError(
        meaning.sentence if meaning else f"M-Pesa refused the request: {text}",
        code=code,
        permanent=not (meaning and meaning.retry),
        request_id=request_id,
    )


def read_query_answer(status: int, body: dict[str, Any]) -> QueryAnswer:
    """A query's answer: a result code in words, or what its error means."""
    code, message = envelope(body)
    result = clean_text(body.get("ResultCode", ""), 40)
    if status == 200 and not code and result and body["ResultCode"] is not None:
        text = words(body.get("ResultDesc"), 300)
        return QueryAnswer(body, explain(result), result_text=text)
    error = explain_error(status, code, message, operation="stk_query")
    return QueryAnswer(body, None, error=error)
