"""Results of what is asked in the initiator's name: payouts, reversals, status, balance.

Source: Daraja reference, section 7. 17 and 26 are results of the request itself, so they are
certain; 15 says that another request with the same id exists, whose outcome is to be asked for.
"""

from __future__ import annotations

from integrations.providers.mpesa.codes.gateway import GATEWAY
from integrations.providers.mpesa.codes.words import Explanation, Outcome, failed, table

_PORTAL = "the organisation portal"
_PASSWORD = (
    f"Set a new password for the API user on {_PORTAL}, enter it in the M-Pesa settings, and send "
    "nothing in its name before that."
)
_NO_RIGHT = f"Give the API user the role for this on {_PORTAL}."
_REPORT = "This is a fault of the request: report it to whoever runs this system."


def _credential(code: str, cause: str, next_step: str) -> Explanation:
    return Explanation(code, Outcome.FAILED, cause, next_step, is_credential_fault=True)


_COMMON = (
    failed(
        "11", "The paying account is not active.", "Ask Safaricom to activate it, then try again."
    ),
    failed(
        "17",
        "M-Pesa had an internal failure and did not do it.",
        "Wait two minutes, then try again.",
        retry=True,
    ),
    _credential(
        "18",
        "M-Pesa refused the initiator's password.",
        "Check initiator_password and certificate in the M-Pesa settings.",
    ),
    _credential(
        "20",
        "M-Pesa does not know the initiator's name.",
        f"Check initiator_name in the M-Pesa settings against the API user on {_PORTAL}.",
    ),
    failed("21", "The initiator does not have the role for this.", _NO_RIGHT),
    failed(
        "22",
        "The initiator is not active, or has no right on the other party.",
        f"Check the API user's state and roles on {_PORTAL}.",
    ),
    failed("24", "A mandatory field was missing from the request.", _REPORT),
    failed("25", "A field of the request had the wrong form.", _REPORT),
    failed("26", "M-Pesa is busy.", "Wait at least 30 seconds, then try again.", retry=True),
    failed("29", "M-Pesa does not know the command of the request.", _REPORT),
    _credential("2001", "M-Pesa refused the initiator's name or password.", _PASSWORD),
    failed(
        "2006", "The state of the account forbids this.", "Ask Safaricom what the account lacks."
    ),
    failed(
        "2028",
        "The short code has no permission for this product.",
        "Ask Safaricom to grant the product to the short code, or use the right short code.",
    ),
    _credential("8006", "The initiator's password is locked or has expired.", _PASSWORD),
)
_TWICE = Explanation(
    "15",
    Outcome.UNKNOWN,
    "M-Pesa has a request with the same id already.",
    "What became of that one is being asked; don't send it again.",
)

PAYOUT_RESULTS = table(
    GATEWAY,
    _COMMON,
    (
        Explanation("0", Outcome.SUCCEEDED, "Paid out.", ""),
        failed(
            "1",
            "The short code's utility account has too little money.",
            "Move money into the utility account, then pay again.",
            retry=True,
        ),
        failed("2", "The amount is below the minimum of a payout.", "Use a larger amount."),
        failed("3", "The amount is above the limit per transaction.", "Use a smaller amount."),
        failed("4", "The daily limit would be passed.", "Try again tomorrow.", retry=True),
        failed(
            "8",
            "The payee's balance would pass its limit.",
            "Pay less, or after the payee has spent some of it.",
        ),
        _TWICE,
        failed(
            "2040",
            "The payee is not registered with M-Pesa.",
            "Check the phone number with the payee.",
        ),
        failed("SFC_IC0003", "The payee's number is not valid.", "Check the phone number."),
    ),
)
REVERSAL_RESULTS = table(
    GATEWAY,
    _COMMON,
    (
        Explanation("0", Outcome.SUCCEEDED, "Reversed.", ""),
        failed(
            "1",
            "The account that received the money has too little of it left.",
            "Move money into that account, then reverse again.",
            retry=True,
        ),
        failed("2", "The amount is below the minimum.", "Use a larger amount."),
        failed("3", "The amount is above the limit per transaction.", "Use a smaller amount."),
        failed("4", "The daily limit would be passed.", "Try again tomorrow.", retry=True),
        failed(
            "8",
            "The payer's balance would pass its limit.",
            "Reverse after the payer has spent some of it.",
        ),
        _TWICE,
        failed(
            "2040",
            "The payer is no longer registered with M-Pesa.",
            "Give the money back by another way.",
        ),
        failed(
            "R000001",
            "The payment was reversed already.",
            "Look for the earlier reversal in the statement; there is nothing left to reverse.",
        ),
        failed(
            "R000002",
            "M-Pesa knows no payment with this receipt.",
            "Check the receipt, and that the money came to this short code.",
        ),
        failed(
            "SFC_IC0003",
            "The receiving party is not valid.",
            "Check the short code in the M-Pesa settings.",
        ),
    ),
)
STATUS_RESULTS = table(
    GATEWAY,
    _COMMON,
    (
        Explanation("0", Outcome.SUCCEEDED, "M-Pesa told the state of the transaction.", ""),
        _TWICE,
        failed(
            "R000002",
            "M-Pesa does not know the transaction.",
            "Check the receipt and the short code.",
        ),
        failed(
            "SFC_IC0003",
            "The party that was asked for is not valid.",
            "Check the short code in the M-Pesa settings.",
        ),
    ),
)
BALANCE_RESULTS = table(
    GATEWAY,
    _COMMON,
    (
        Explanation("0", Outcome.SUCCEEDED, "M-Pesa told the balances.", ""),
        _TWICE,
        failed(
            "SFC_IC0003",
            "The party that was asked for is not valid.",
            "Check the short code in the M-Pesa settings.",
        ),
    ),
)
# Standing orders are not sold by this product; their codes are explained all the same.
RATIBA_RESULTS = table(
    (
        Explanation("0", Outcome.SUCCEEDED, "The standing order is set up.", ""),
        failed(
            "1050",
            "The customer has a standing order of this name already.",
            "Choose another name for it.",
        ),
        failed("1051", "A field of the standing order is not valid.", "Check its data."),
    )
)
