"""Daraja's error answers in words, and what they say about what was done.

Source: Daraja reference, sections 2 and 3. Texts of the provider are compared only where one
code has several meanings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Rejected access tokens come in these dresses (section 2); the commonest is an HTTP 404.
TOKEN_REJECTIONS = frozenset(
    {"404.001.03", "404.001.04", "400.003.01", "401.002.01", "401.003.01", "401.001", "401"}
)
# A product that is not ticked on the app uses the same codes; a new token never cures it.
PRODUCT_MISSING = "no apiproduct match"
# A proxy's word that it or the client gave up: what lay behind it is not known.
GAVE_UP_WAITING = frozenset({408, 425, 499})
# Where a request that was slowed down may be sent again: it moves no money.
_HARMLESS = frozenset(
    {"transaction_status", "account_balance", "c2b_register", "pull_register", "pull", "token"}
)
# The setting that chooses between a product's versions.
_VERSION_SETTING = {
    "b2c": "b2c_version",
    "c2b_register": "c2b_version",
    "c2b_simulate": "c2b_version",
}


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
OVERLOADED = (
    ("wrong credentials", Refusal.PERMANENT, _CHECK_PASSKEY),
    ("merchantvalidate", Refusal.PERMANENT, _CHECK_PASSKEY),
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
# Refusals for good whose message from M-Pesa adds nothing for people.
_WRONG_PATH = "M-Pesa has no such address: check the host of the environment in the settings."
REFUSALS = {
    "400.002.05": "M-Pesa could not read the request: report it to whoever runs this system.",
    "400.008.01": "M-Pesa wants the consumer key and secret sent as Basic authentication.",
    "400.008.02": "M-Pesa refused the kind of access token that was asked for.",
    "404.001.01": _WRONG_PATH,
    "404.002.01": _WRONG_PATH,
    "404.003.01": _WRONG_PATH,
    "405.001": "M-Pesa refused the method of the request.",
}
# Their messages name the field.
REFUSED_FIELDS = frozenset({"400.002.02", "400.003.02"})
SLOWED_DOWN = {
    "500.003.02": "M-Pesa got too many requests in a short time, or is busy.",
    "500.003.03": "The app's quota of requests to M-Pesa is used up.",
}
ALREADY_REGISTERED = (
    "These addresses are registered already. In production they are registered once: to change "
    "them, have them deleted on the Daraja portal first."
)
_NO_ANSWER = "M-Pesa had a fault and gave no usable answer."


def explain_error(
    status: int, code: str, message: str, *, operation: str = "stk_push"
) -> ErrorMeaning:
    """What an error answer means, from its body first and its HTTP status second.

    `code` and `message` are "" where the body was not the documented envelope. `operation` is
    what was called: the same code can mean another thing elsewhere.
    """
    special = _by_message(code, message.lower(), operation)
    if special is None and status == 429:
        return ErrorMeaning(code or "429", Refusal.LATER, "M-Pesa asks to slow down.")
    special = special or _by_code(code, operation)
    if special is not None:
        return special
    if 400 <= status < 500 and status not in GAVE_UP_WAITING:
        shown = message.strip()[:120]
        text = REFUSALS.get(code) or f"M-Pesa refused the request: {shown or f'HTTP {status}'}."
        return ErrorMeaning(code or str(status), Refusal.PERMANENT, text)
    return ErrorMeaning(code or str(status), Refusal.UNCERTAIN, _NO_ANSWER)


def _by_message(code: str, message: str, operation: str) -> ErrorMeaning | None:
    """The meaning of a code whose message decides, or None."""
    if PRODUCT_MISSING in message:
        return ErrorMeaning(code, Refusal.PERMANENT, _not_enabled(operation))
    if code == "500.001.1001":
        for words, refusal, text in OVERLOADED:
            if words in message:
                return ErrorMeaning(code, refusal, text)
        return ErrorMeaning(code, Refusal.UNCERTAIN, "M-Pesa had a fault and gave no answer.")
    if code == "500.002.1001":
        return _duplicate(message, operation)
    if code == "500.003.1001" and operation == "c2b_register":
        is_known = "already registered" in message or "duplicate notification" in message
        if is_known:
            return ErrorMeaning(
                code="already_registered", refusal=Refusal.PERMANENT, text=ALREADY_REGISTERED
            )
    return None


def _duplicate(message: str, operation: str) -> ErrorMeaning:
    """500.002.1001: the first request exists; or the service is being maintained."""
    if "maintenance" in message:
        refusal = Refusal.LATER if operation in _HARMLESS else Refusal.UNCERTAIN
        return ErrorMeaning("500.002.1001", refusal, "M-Pesa is under maintenance.")
    return ErrorMeaning(
        code="duplicate_originator" if operation == "b2c" else "500.002.1001",
        refusal=Refusal.UNCERTAIN,
        text="M-Pesa has a request with the same id already: what became of it must be asked.",
    )


def _by_code(code: str, operation: str) -> ErrorMeaning | None:
    """The meaning of a code that depends on what was called, or None."""
    if code in TOKEN_REJECTIONS:
        return ErrorMeaning(
            code,
            Refusal.PERMANENT,
            "M-Pesa refused the access token twice: check the environment and the app's products.",
        )
    if code == "403.002.1001":
        return ErrorMeaning(code, Refusal.PERMANENT, _not_granted(operation))
    if code in SLOWED_DOWN:
        return _slowed_down(code, SLOWED_DOWN[code], operation)
    if "SpikeArrest" in code or "QuotaViolation" in code:  # the gateway's own words
        return _slowed_down(code, "M-Pesa's gateway asks to slow down.", operation)
    return None


def _slowed_down(code: str, text: str, operation: str) -> ErrorMeaning:
    """Nothing is proved about a payment; anything else may be asked again later."""
    refusal = Refusal.LATER if operation in _HARMLESS else Refusal.UNCERTAIN
    return ErrorMeaning(code, refusal, text)


def _not_enabled(operation: str) -> str:
    setting = _VERSION_SETTING.get(operation)
    other = f", or choose the other version: {setting} in the M-Pesa settings" if setting else ""
    return f"This product is not enabled on the Daraja app: tick it there{other}."


def _not_granted(operation: str) -> str:
    setting = _VERSION_SETTING.get(operation)
    if not setting:
        return "The Daraja app may not use this product."
    return (
        "The Daraja app may not use this version of the product: choose the other version: "
        f"{setting} in the M-Pesa settings."
    )
