"""Daraja's codes in words: what happened, what to do next, and what it means for a payment.

Source: Daraja reference, sections 3 and 7. Codes are compared as text; texts of the provider
are never compared except for 500.001.1001, whose meaning is only in its message.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a result code says about a payment. The values are payment states."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PENDING = "pending"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code in words. `retry` tells whether the payer may simply be asked again."""

    code: str
    outcome: Outcome
    cause: str
    next_step: str
    retry: bool = False

    @property
    def sentence(self) -> str:
        """Cause and next step, for people."""
        return f"{self.cause} {self.next_step}".strip()


def _failed(code: str, cause: str, next_step: str, *, retry: bool = False) -> Explanation:
    return Explanation(code, Outcome.FAILED, cause, next_step, retry)


_TOP_UP = "Ask the payer to top up, then send a new request."
_AGAIN = "Send a new request when the payer is ready."
_SETTINGS = "Check the transaction type, short code and till number in the M-Pesa settings."

STK_RESULTS: dict[str, Explanation] = {
    item.code: item
    for item in (
        Explanation("0", Outcome.SUCCEEDED, "Paid.", ""),
        _failed("1", "The payer's balance is too low.", _TOP_UP, retry=True),
        _failed("2", "The amount is below the minimum.", "Use a larger amount."),
        _failed("3", "The amount is above the limit per transaction.", "Use a smaller amount."),
        _failed("4", "The payer would pass the daily limit.", "Try again tomorrow.", retry=True),
        _failed("8", "The receiver's balance limit would be passed.", "Move money out first."),
        _failed(
            "17",
            "M-Pesa refused a repeated payment of the same amount.",
            "Wait two minutes, then send a new request.",
            retry=True,
        ),
        _failed("26", "M-Pesa is busy.", "Wait at least 30 seconds, then try again.", retry=True),
        _failed(
            "1001",
            "The payer has another M-Pesa session open.",
            "Wait one to three minutes, then send a new request.",
            retry=True,
        ),
        Explanation("1019", Outcome.EXPIRED, "The request expired.", _AGAIN, retry=True),
        _failed(
            "1025",
            "M-Pesa could not show the prompt.",
            "Shorten the reference and description, then try once more.",
            retry=True,
        ),
        Explanation(
            "1032",
            Outcome.CANCELLED,
            "The payer cancelled, or let the prompt time out.",
            _AGAIN,
            retry=True,
        ),
        Explanation("1036", Outcome.EXPIRED, "The prompt got no answer.", _AGAIN, retry=True),
        Explanation(
            "1037",
            Outcome.EXPIRED,
            "The phone could not be reached, or nobody answered.",
            "Check that the phone is on and has signal, then send a new request.",
            retry=True,
        ),
        _failed("2001", "The payer typed a wrong PIN.", _AGAIN, retry=True),
        _failed("2028", "The transaction type does not fit the short code.", _SETTINGS),
        Explanation("4999", Outcome.PENDING, "M-Pesa is still working on it.", ""),
        _failed("8006", "The payer's PIN is locked.", "The payer must unlock it with Safaricom."),
        _failed("9999", "M-Pesa could not send the prompt.", "Try once more.", retry=True),
        _failed("SFC_IC0003", "The receiving number does not exist.", _SETTINGS),
    )
}


def explain(code: object) -> Explanation:
    """What an STK result code means; one that nobody documented is UNKNOWN, never failed."""
    text = str(code).strip()
    known = STK_RESULTS.get(text)
    if known is not None:
        return known
    return Explanation(
        text[:40],
        Outcome.UNKNOWN,
        f"M-Pesa answered with code {text[:40]!r}, which is unknown.",
        "The payment is asked about again until its outcome is certain.",
    )


# Rejected access tokens come in these dresses (section 2); the commonest is an HTTP 404.
TOKEN_REJECTIONS = frozenset(
    {"404.001.03", "404.001.04", "400.003.01", "401.002.01", "401.003.01", "401.001", "401"}
)
# A product that is not ticked on the app uses the same codes; a new token never cures it.
PRODUCT_MISSING = "no apiproduct match"


class Refusal(StrEnum):
    """What an error answer to a request means."""

    PERMANENT = "permanent"  # the same request will be refused again
    LATER = "later"  # refused now, nothing was created, may be sent again later
    PENDING = "pending"  # a query: still in progress
    ABSENT = "absent"  # a query: the provider does not know it (no proof of failure)
    UNCERTAIN = "uncertain"  # nothing can be said about what was done


@dataclass(frozen=True, slots=True)
class ErrorMeaning:
    """An error answer in words."""

    code: str
    refusal: Refusal
    text: str


_CHECK_PASSKEY = (
    "M-Pesa refused the password: check the short code and the passkey (as received, not encoded)."
)
# 500.001.1001 says everything in its message (section 3); compared without case.
_OVERLOADED = (
    (
        "wrong credentials",
        Refusal.PERMANENT,
        _CHECK_PASSKEY,
    ),
    (
        "merchantvalidate",
        Refusal.PERMANENT,
        _CHECK_PASSKEY,
    ),
    (
        "merchant does not exist",
        Refusal.PERMANENT,
        "M-Pesa does not know this short code: use the one from the go-live letter.",
    ),
    (
        "unable to lock subscriber",
        Refusal.LATER,
        "The payer has another M-Pesa prompt open: wait a minute, then try again.",
    ),
    ("being processed", Refusal.PENDING, "The payment is still being processed."),
    ("transaction does not exist", Refusal.ABSENT, "M-Pesa does not know this request (yet)."),
)

_BY_CODE = {
    "403.002.1001": "The Daraja app may not use this product.",
    "405.001": "M-Pesa refused the method of the request.",
}


# A proxy's word that it or the client gave up: what lay behind it is not known.
GAVE_UP_WAITING = frozenset({408, 425, 499})


def explain_error(status: int, code: str, message: str) -> ErrorMeaning:
    """What an error answer means, from its body first and its HTTP status second.

    `code` and `message` are "" where the body was not the documented envelope.
    """
    shown = message.strip()[:120]
    if PRODUCT_MISSING in message.lower():
        return ErrorMeaning(
            code, Refusal.PERMANENT, "This product is not enabled on the Daraja app: tick it there."
        )
    if code in TOKEN_REJECTIONS:
        return ErrorMeaning(
            code,
            Refusal.PERMANENT,
            "M-Pesa refused the access token twice: check the environment and the app's products.",
        )
    if code == "500.001.1001":
        for words, refusal, text in _OVERLOADED:
            if words in message.lower():
                return ErrorMeaning(code, refusal, text)
        return ErrorMeaning(code, Refusal.UNCERTAIN, "M-Pesa had a fault and gave no answer.")
    if status == 429:
        return ErrorMeaning(code or "429", Refusal.LATER, "M-Pesa asks to slow down.")
    if 400 <= status < 500 and status not in GAVE_UP_WAITING:
        text = _BY_CODE.get(code) or f"M-Pesa refused the request: {shown or f'HTTP {status}'}."
        return ErrorMeaning(code or str(status), Refusal.PERMANENT, text)
    return ErrorMeaning(
        code or str(status), Refusal.UNCERTAIN, "M-Pesa had a fault and gave no usable answer."
    )
