"""Every event that payments publish, and what it carries; the reference page is made from this."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EVENTS: Mapping[str, str] = MappingProxyType(
    {
        "payment.pending": "The provider took the request: with an STK push a prompt is on its "
        "way, with money out the result is.",
        "payment.unknown": "The outcome is not known; it is being found out.",
        "payment.succeeded": "Paid; with direction `out`, paid out or reversed.",
        "payment.failed": "Not paid.",
        "payment.cancelled": "The payer cancelled or let the prompt time out; or money out was not "
        "approved.",
        "payment.expired": "The phone could not be reached, or nobody answered.",
        "payment.voided": "Not used by M-Pesa.",
        "mpesa.initiator_failing": "M-Pesa refuses the initiator's credentials repeatedly; calls "
        "in its name are held back.",
        "balance.low": "An account has less than the limit of the settings; told once, until it "
        "recovers.",
        "balance.recovered": "An account that was low has reached the limit again.",
        "payment.receipt": "A payment that a query had settled got its receipt number, from a "
        "callback that came later.",
        "payment.merged": "Two payments turned out to be the same money: this one no longer "
        "counts, `merged_into` does. Take back what you booked for it.",
        "payment.unmatched": "A payment came that nothing expected; it is on the list of receipts "
        "to match.",
        "expectation.partly_paid": "Less than expected has come so far, or is left after a "
        "reversal.",
        "expectation.paid": "Exactly what was expected has come.",
        "expectation.overpaid": "More than expected has come.",
        "expectation.reopened": "Nothing of it is paid any more: what came was reversed, or "
        "allotted elsewhere.",
        "expectation.cancelled": "It is expected no longer; what had come for it is on the list "
        "of receipts to match.",
        "payout_batch.finished": "Every row of a payout file has come to an end, paid or not.",
        "payout_batch.cancelled": "A payout file was cancelled, and what was not sent never is; "
        "what was sent has come to its end.",
        "payment.reversed": "Money of a paid payment went back to its payer. Told of the payment "
        "that was reversed, besides `payment.succeeded` of the reversal itself.",
    }
)
PAYLOAD: Mapping[str, str] = MappingProxyType(
    {
        "payment_id": "`Payment.public_id`, text.",
        "provider": "`mpesa`.",
        "product": "`stk_push`, `c2b`, `b2c` or `reversal`.",
        "direction": "`in` or `out`.",
        "environment": "`sandbox` or `production`. Check it before you hand out goods.",
        "state": "Where the payment stands.",
        "previous_state": "Where it stood; empty for `payment.receipt`.",
        "late": "True for a success after another end.",
        "amount": 'Text with two decimals, such as `"1000.00"`.',
        "currency": "`KES`.",
        "phone": "Masked, such as `2547***678`.",
        "account_reference": "As the caller gave it.",
        "original_id": "Of a reversal: the payment that is reversed, text; else empty.",
        "originator_id": "M-Pesa's OriginatorConversationID, empty where there is none.",
        "conversation_id": "M-Pesa's ConversationID, empty where there is none.",
        "receipt": "The provider's receipt number, empty where there is none (a query tells none).",
        "result_code": "The provider's code, or ours.",
        "message": "Cause and next step in words.",
        "merged_into": "Only with `payment.merged`: the id of the payment that counts.",
        "reversal_id": "Only of `payment.reversed`: the reversal, text.",
        "reversed_amount": "Only of `payment.reversed`: what has gone back so far.",
        "net_amount": "Only of `payment.reversed`: what is left.",
    }
)
# Of the events `expectation.*`.
EXPECTATION_PAYLOAD: Mapping[str, str] = MappingProxyType(
    {
        "expectation_id": "`ExpectedPayment.public_id`, text.",
        "reference": "As the caller gave it.",
        "environment": "`sandbox` or `production`.",
        "state": "`open`, `partly_paid`, `paid`, `overpaid` or `cancelled`.",
        "previous_state": "Where it stood.",
        "amount": "What is expected, text with two decimals.",
        "received": "What has come, less what was reversed.",
        "outstanding": "What is missing; negative for what came too much.",
        "currency": "`KES`.",
        "payment_id": "The payment that changed it, empty where none did.",
    }
)
BALANCE_PAYLOAD: Mapping[str, str] = MappingProxyType(
    {
        "provider": "`mpesa`.",
        "environment": "`sandbox` or `production`.",
        "short_code": "Whose account it is.",
        "account": "Its name, as M-Pesa tells it.",
        "currency": "`KES`.",
        "available": "What can be spent, as text with two decimals; may be negative.",
        "limit": "The limit of the settings, as text with two decimals.",
        "as_of": "When it was so, by M-Pesa's word (ISO 8601).",
    }
)
INITIATOR_PAYLOAD: Mapping[str, str] = MappingProxyType(
    {
        "provider": "`mpesa`.",
        "environment": "`sandbox` or `production`.",
        "short_code": "The account whose initiator it is.",
        "initiator_name": "The API user of the organisation portal.",
        "code": "M-Pesa's last result code.",
        "failures": "Refusals in a row, a number.",
        "message": "Cause and next step in words.",
    }
)
# Of the events `payout_batch.*`.
BATCH_PAYLOAD: Mapping[str, str] = MappingProxyType(
    {
        "batch_id": "`PayoutBatch.public_id`, text.",
        "name": "As it was given.",
        "environment": "`sandbox` or `production`.",
        "state": "`finished` or `cancelled`.",
        "count": "Payouts in the file.",
        "total": 'What they come to, text with two decimals, such as `"1000.00"`.',
        "currency": "`KES`.",
        "paid": "How many were paid.",
        "paid_total": "What was paid, text with two decimals.",
        "not_paid": "How many were not; each has its own event that says why.",
    }
)
