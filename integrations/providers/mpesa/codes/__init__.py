"""Daraja's codes in words: what happened, what to do next, and what it means for a payment.

Codes are compared as text; texts of the provider never, except where one code has several
meanings. Source: Daraja reference, sections 2, 3, 7 and 8.
"""

from __future__ import annotations

from integrations.providers.mpesa.codes.c2b import C2B_REJECTIONS, C2B_RESULTS
from integrations.providers.mpesa.codes.errors import (
    ALREADY_REGISTERED,
    GAVE_UP_WAITING,
    OVERLOADED,
    PRODUCT_MISSING,
    REFUSALS,
    REFUSED_FIELDS,
    SLOWED_DOWN,
    TOKEN_REJECTIONS,
    ErrorMeaning,
    Refusal,
    explain_error,
)
from integrations.providers.mpesa.codes.explained import RESULTS, explain
from integrations.providers.mpesa.codes.initiator import (
    BALANCE_RESULTS,
    PAYOUT_RESULTS,
    RATIBA_RESULTS,
    REVERSAL_RESULTS,
    STATUS_RESULTS,
)
from integrations.providers.mpesa.codes.stk import STK_RESULTS
from integrations.providers.mpesa.codes.words import Explanation, Outcome

__all__ = [
    "ALREADY_REGISTERED",
    "BALANCE_RESULTS",
    "C2B_REJECTIONS",
    "C2B_RESULTS",
    "GAVE_UP_WAITING",
    "OVERLOADED",
    "PAYOUT_RESULTS",
    "PRODUCT_MISSING",
    "RATIBA_RESULTS",
    "REFUSALS",
    "REFUSED_FIELDS",
    "RESULTS",
    "REVERSAL_RESULTS",
    "SLOWED_DOWN",
    "STATUS_RESULTS",
    "STK_RESULTS",
    "TOKEN_REJECTIONS",
    "ErrorMeaning",
    "Explanation",
    "Outcome",
    "Refusal",
    "explain",
    "explain_error",
]
