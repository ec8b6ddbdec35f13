"""The gateway's own codes, 100000000 to 100000011. Source: Daraja reference, section 7.

The reference names their kinds but not each number; the numbers follow M-Pesa's older interface.
Where a request was kept or broke inside, nobody knows whether it will be carried out.
"""

from __future__ import annotations

from integrations.providers.mpesa.codes.words import Explanation, Outcome, failed

_WAIT = "Wait at least 30 seconds, then try again."
_SUPPORT = "Ask Safaricom's support whether the product works for this short code."

GATEWAY = (
    Explanation(
        "100000000",
        Outcome.UNKNOWN,
        "M-Pesa's gateway keeps the request and will pass it on.",
        "It is asked about until the outcome is certain; don't send it again.",
    ),
    failed("100000001", "M-Pesa's gateway is overloaded.", _WAIT, retry=True),
    failed("100000002", "M-Pesa's gateway slowed the requests down.", _WAIT, retry=True),
    failed("100000003", "M-Pesa's gateway is at the limit of its licence.", _WAIT, retry=True),
    Explanation(
        "100000004",
        Outcome.UNKNOWN,
        "M-Pesa's gateway had an internal fault.",
        "It is asked about until the outcome is certain; don't send it again.",
    ),
    failed(
        "100000005", "M-Pesa's gateway refused a value of the request.", "Check the request's data."
    ),
    failed("100000006", "The organisation's standing at the gateway is not normal.", _SUPPORT),
    failed("100000007", "The service's standing at the gateway is not normal.", _SUPPORT),
    failed("100000008", "The service's standing at the gateway is not normal.", _SUPPORT),
    failed("100000009", "The product's standing at the gateway is not normal.", _SUPPORT),
    failed(
        "100000010",
        "M-Pesa's gateway gives the app no permission for this.",
        "Ask Safaricom to grant the product to the short code.",
    ),
    failed(
        "100000011", "Too many requests for M-Pesa's gateway in a short time.", _WAIT, retry=True
    ),
)
