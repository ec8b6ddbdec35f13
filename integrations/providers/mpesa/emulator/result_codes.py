"""The result codes of everything that is not an STK prompt, and how one is asked for.

Source: Daraja reference, sections 7 and 21. Daraja's own texts differ by channel and by day, so
no client may read them.
"""

from __future__ import annotations

from integrations.providers.mpesa.emulator import ledger
from integrations.providers.mpesa.emulator.outcomes import DESCRIPTIONS as STK_DESCRIPTIONS

_GATEWAY = "1000000"
DESCRIPTIONS = {
    "0": "The service request is processed successfully.",
    "1": "The balance is insufficient for the transaction.",
    "2": "Declined due to limit rule: less than the minimum transaction amount.",
    "3": "Declined due to limit rule: greater than the maximum transaction amount.",
    "4": "Declined due to limit rule: would exceed daily transfer limit.",
    "8": "Declined due to limit rule: would exceed the maximum balance.",
    "11": "The DebitParty is in an invalid state.",
    "15": "Duplicate detected.",
    "17": "System internal error.",
    "18": "Initiator authentication error.",
    "20": "The initiator is unknown.",
    "21": "The initiator is not allowed to initiate this request.",
    "22": "The initiator is not active.",
    "24": "Missing mandatory parameters.",
    "25": "The request parameters are invalid.",
    "26": "System busy. Traffic blocked.",
    "29": "The command is invalid.",
    "1050": "A standing order of this name exists.",
    "1051": "The standing order has an invalid field.",
    "2001": "The initiator information is invalid.",
    "2006": "The account status does not allow this transaction.",
    "2028": "The request is not permitted according to product assignment.",
    "2040": "Credit Party customer type (Unregistered or Registered Customer) can't be supported.",
    "8006": "The security credential is locked.",
    "SFC_IC0003": "The operator does not exist.",
    "R000001": "The transaction has already been reversed.",
    "R000002": "The OriginalTransactionID is invalid.",
    f"{_GATEWAY}00": "Request was cached, waiting for resending.",
    f"{_GATEWAY}01": "The system is overloaded.",
    f"{_GATEWAY}02": "Throttling error.",
    f"{_GATEWAY}03": "Internal server error.",
    f"{_GATEWAY}04": "Invalid input value.",
    f"{_GATEWAY}05": "The service status is abnormal.",
    f"{_GATEWAY}06": "The caller has no permission.",
    f"{_GATEWAY}07": "The API is not available.",
    f"{_GATEWAY}08": "Insufficient permission.",
    f"{_GATEWAY}09": "The request rate is over its limit.",
    f"{_GATEWAY}10": "The request volume is over its limit.",
    f"{_GATEWAY}11": "The connection limit was reached.",
}
# section 21, "by amount as a fallback": a payout's codes sit at 90,000 and up, so that a salary
# of 2,001 shillings is simply paid.
PAYOUT_BY_AMOUNT = {
    str(90_000 + int(code)): code
    for code in DESCRIPTIONS
    if code.isdigit() and 0 < int(code) < 9000
} | {"93003": "SFC_IC0003"}


def describe(operation: str, code: str) -> str:
    """The ResultDesc of a code for an operation; unknown codes have one too."""
    if operation in {ledger.STK, "c2b_simulate"}:
        known = STK_DESCRIPTIONS.get(code) or DESCRIPTIONS.get(code)
    else:
        known = DESCRIPTIONS.get(code) or STK_DESCRIPTIONS.get(code)
    return known or f"Sandbox result {code}."
