"""A result code of a product in words."""

from __future__ import annotations

from integrations.providers.mpesa.codes.c2b import C2B_RESULTS
from integrations.providers.mpesa.codes.initiator import (
    BALANCE_RESULTS,
    PAYOUT_RESULTS,
    RATIBA_RESULTS,
    REVERSAL_RESULTS,
    STATUS_RESULTS,
)
from integrations.providers.mpesa.codes.stk import STK_RESULTS
from integrations.providers.mpesa.codes.words import Explanation, Outcome, Table

# The same number means different things in different products (section 7).
RESULTS: dict[str, Table] = {
    "stk_push": STK_RESULTS,
    "c2b": C2B_RESULTS,
    "b2c": PAYOUT_RESULTS,
    "reversal": REVERSAL_RESULTS,
    "transaction_status": STATUS_RESULTS,
    "account_balance": BALANCE_RESULTS,
    "ratiba": RATIBA_RESULTS,
}
_QUESTIONS = frozenset({"transaction_status", "account_balance"})


def explain(code: object, product: str = "stk_push") -> Explanation:
    """What a product's result code means; one that nobody documented is UNKNOWN, never failed.

    Raises KeyError for a product that M-Pesa does not have.
    """
    text = str(code).strip()
    known = RESULTS[product].get(text)
    if known is not None:
        return known
    shown = text[:40]
    cause = f"M-Pesa answered with code {shown!r}, which is unknown."
    if product in _QUESTIONS:
        return Explanation(shown, Outcome.UNKNOWN, cause, "Ask again, or look on the portal.")
    return Explanation(
        shown,
        Outcome.UNKNOWN,
        cause if shown else "M-Pesa told no result.",
        "The payment is asked about again until its outcome is certain.",
    )
