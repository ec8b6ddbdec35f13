"""Results of STK pushes and their queries. Source: Daraja reference, section 7."""

from __future__ import annotations

from integrations.providers.mpesa.codes.words import Explanation, Outcome, failed, table

_TOP_UP = "Ask the payer to top up, then send a new request."
_AGAIN = "Send a new request when the payer is ready."
_SETTINGS = "Check the transaction type, short code and till number in the M-Pesa settings."

STK_RESULTS = table(
    (
        Explanation("0", Outcome.SUCCEEDED, "Paid.", ""),
        failed("1", "The payer's balance is too low.", _TOP_UP, retry=True),
        failed("2", "The amount is below the minimum.", "Use a larger amount."),
        failed("3", "The amount is above the limit per transaction.", "Use a smaller amount."),
        failed("4", "The payer would pass the daily limit.", "Try again tomorrow.", retry=True),
        failed("8", "The receiver's balance limit would be passed.", "Move money out first."),
        failed(
            "17",
            "M-Pesa refused a repeated payment of the same amount.",
            "Wait two minutes, then send a new request.",
            retry=True,
        ),
        failed("26", "M-Pesa is busy.", "Wait at least 30 seconds, then try again.", retry=True),
        failed(
            "1001",
            "The payer has another M-Pesa session open.",
            "Wait one to three minutes, then send a new request.",
            retry=True,
        ),
        Explanation("1019", Outcome.EXPIRED, "The request expired.", _AGAIN, retry=True),
        failed(
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
        failed("2001", "The payer typed a wrong PIN.", _AGAIN, retry=True),
        failed("2028", "The transaction type does not fit the short code.", _SETTINGS),
        Explanation("4999", Outcome.PENDING, "M-Pesa is still working on it.", ""),
        failed("8006", "The payer's PIN is locked.", "The payer must unlock it with Safaricom."),
        failed("9999", "M-Pesa could not send the prompt.", "Try once more.", retry=True),
        failed("SFC_IC0003", "The receiving number does not exist.", _SETTINGS),
    )
)
