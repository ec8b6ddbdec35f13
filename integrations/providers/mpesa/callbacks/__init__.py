"""What M-Pesa tells us, in our words: callbacks, results, rows. Parsers raise InvalidInput only."""

from __future__ import annotations

from integrations.providers.mpesa.callbacks.answers import (
    AccountBalance,
    BalanceResult,
    StatusResult,
    balance_result,
    parse_accounts,
    status_result,
)
from integrations.providers.mpesa.callbacks.c2b import C2BTransaction, parse_c2b
from integrations.providers.mpesa.callbacks.parties import Party, msisdn_matches, split_party
from integrations.providers.mpesa.callbacks.payout import (
    PayoutResult,
    ReversalResult,
    payout_result,
    reversal_result,
)
from integrations.providers.mpesa.callbacks.pull import PulledRow, parse_pulled
from integrations.providers.mpesa.callbacks.reading import decode_json, read_balance, read_moment
from integrations.providers.mpesa.callbacks.result import Result, parse_result, parse_timeout
from integrations.providers.mpesa.callbacks.stk import StkCallback, parse_stk

__all__ = [
    "AccountBalance",
    "BalanceResult",
    "C2BTransaction",
    "Party",
    "PayoutResult",
    "PulledRow",
    "Result",
    "ReversalResult",
    "StatusResult",
    "StkCallback",
    "balance_result",
    "decode_json",
    "msisdn_matches",
    "parse_accounts",
    "parse_c2b",
    "parse_pulled",
    "parse_result",
    "parse_stk",
    "parse_timeout",
    "payout_result",
    "read_balance",
    "read_moment",
    "reversal_result",
    "split_party",
    "status_result",
]
