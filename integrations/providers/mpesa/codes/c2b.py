"""Payments that customers start themselves: how they end, and why we may refuse them.

Source: Daraja reference, sections 7 and 8.
"""

from __future__ import annotations

from integrations.providers.mpesa.codes.stk import STK_RESULTS
from integrations.providers.mpesa.codes.words import failed, table

# What a validation may answer; M-Pesa tells the customer that the payment was refused.
C2B_REJECTIONS = table(
    (
        failed(
            "C2B00011",
            "The customer's phone number is not accepted.",
            "The customer pays from another phone.",
        ),
        failed(
            "C2B00012",
            "The account number is not known.",
            "The customer pays again with the account number on the invoice.",
            retry=True,
        ),
        failed(
            "C2B00013",
            "The amount is not accepted.",
            "The customer pays again with the amount on the invoice.",
            retry=True,
        ),
        failed(
            "C2B00014",
            "The customer's identity details are not accepted.",
            "The customer brings them up to date with Safaricom.",
        ),
        failed(
            "C2B00015",
            "The short code is not accepted for this payment.",
            "The customer pays to the PayBill or till on the invoice.",
            retry=True,
        ),
        failed(
            "C2B00016",
            "The payment was refused for another reason.",
            "The customer asks the business.",
        ),
    )
)
# The codes of section 7 are told to the customer; they are here to be explained.
C2B_RESULTS = table(STK_RESULTS.values(), C2B_REJECTIONS.values())
