"""Every event that payments publish, and what it carries: the catalogue is made from this."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from integrations.events.catalogue import EventType
from integrations.events.keys import Key, amount, choice, count, declare, flag, moment, text
from integrations.models import (
    BatchState,
    Direction,
    Environment,
    ExpectationState,
    PaymentState,
    Product,
)

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
_PAYMENT_ID = "0d4f6a52-7f0e-4d6b-9a56-5f1f3f1c2a10"
_REVERSAL_ID = "b7d0c1de-93a4-4f5e-8f0e-2a6f1f6f9d31"
_WHICH_SIDE = choice(
    "`sandbox` or `production`. Check it before you hand out goods.",
    Environment.values,
    "production",
)
_CURRENCY = text("`KES`.", "KES")
PAYLOAD: Mapping[str, Key] = MappingProxyType(
    {
        "payment_id": text("`Payment.public_id`, text.", _PAYMENT_ID),
        "provider": text("`mpesa`.", "mpesa"),
        "product": choice("By which product it is made.", Product.values, "stk_push"),
        "direction": choice("`in` or `out`.", Direction.values, "in"),
        "environment": _WHICH_SIDE,
        "state": choice("Where the payment stands.", PaymentState.values, "succeeded"),
        "previous_state": choice(
            "Where it stood; empty where it did not move.", ["", *PaymentState.values], ""
        ),
        "late": flag("True for a success after another end.", example=False),
        "amount": amount('Text with two decimals, such as `"1000.00"`.', "1000.00"),
        "currency": _CURRENCY,
        "phone": text("Masked, such as `2547***678`.", "2547***678"),
        "account_reference": text("As the caller gave it.", "INV001"),
        "original_id": text("Of a reversal: the payment that is reversed, text; else empty."),
        "originator_id": text("M-Pesa's OriginatorConversationID, empty where there is none."),
        "conversation_id": text("M-Pesa's ConversationID, empty where there is none."),
        "receipt": text(
            "The provider's receipt number, empty where there is none (a query tells none).",
            "SGR7XK0A1B",
        ),
        "result_code": text("The provider's code, or ours.", "0"),
        "message": text("Cause and next step in words.", "Paid."),
        "merged_into": text(
            "Only with `payment.merged`: the id of the payment that counts.",
            "5a1c3c57-0c6c-4f0b-8a44-0f5b8f7f2c20",
            only=("payment.merged",),
        ),
        "reversal_id": text(
            "Only of `payment.reversed`: the reversal, text.",
            _REVERSAL_ID,
            only=("payment.reversed",),
        ),
        "reversed_amount": amount(
            "Only of `payment.reversed`: what has gone back so far.",
            "400.00",
            only=("payment.reversed",),
        ),
        "net_amount": amount(
            "Only of `payment.reversed`: what is left.", "600.00", only=("payment.reversed",)
        ),
    }
)
# Of the events `expectation.*`.
EXPECTATION_PAYLOAD: Mapping[str, Key] = MappingProxyType(
    {
        "expectation_id": text(
            "`ExpectedPayment.public_id`, text.", "c9f3a2b4-58a0-4b7d-9c38-6f3d5f0f7e42"
        ),
        "reference": text("As the caller gave it.", "INV001"),
        "environment": _WHICH_SIDE,
        "state": choice("How much of it has come.", ExpectationState.values, "paid"),
        "previous_state": choice("Where it stood.", ["", *ExpectationState.values], "open"),
        "amount": amount("What is expected, text with two decimals.", "1000.00"),
        "received": amount("What has come, less what was reversed.", "1000.00"),
        "outstanding": amount("What is missing; negative for what came too much.", "0.00"),
        "currency": _CURRENCY,
        "payment_id": text("The payment that changed it, empty where none did.", _PAYMENT_ID),
    }
)
BALANCE_PAYLOAD: Mapping[str, Key] = MappingProxyType(
    {
        "provider": text("`mpesa`.", "mpesa"),
        "environment": choice("`sandbox` or `production`.", Environment.values, "production"),
        "short_code": text("Whose account it is.", "600999"),
        "account": text("Its name, as M-Pesa tells it.", "Utility Account"),
        "currency": _CURRENCY,
        "available": amount(
            "What can be spent, as text with two decimals; may be negative.", "8200.00"
        ),
        "limit": amount("The limit of the settings, as text with two decimals.", "10000.00"),
        "as_of": moment("When it was so, by M-Pesa's word (ISO 8601)."),
    }
)
INITIATOR_PAYLOAD: Mapping[str, Key] = MappingProxyType(
    {
        "provider": text("`mpesa`.", "mpesa"),
        "environment": choice("`sandbox` or `production`.", Environment.values, "production"),
        "short_code": text("The account whose initiator it is.", "600999"),
        "initiator_name": text("The API user of the organisation portal.", "erpapi"),
        "code": text("M-Pesa's last result code.", "2001"),
        "failures": count("Refusals in a row, a number.", 3),
        "message": text(
            "Cause and next step in words.", "M-Pesa refuses the initiator's credentials."
        ),
    }
)
# Of the events `payout_batch.*`.
BATCH_PAYLOAD: Mapping[str, Key] = MappingProxyType(
    {
        "batch_id": text("`PayoutBatch.public_id`, text.", "e4b8d3f6-2c1a-4d9e-8b75-1a9c7e5d3f53"),
        "name": text("As it was given.", "Salaries of January"),
        "environment": choice("`sandbox` or `production`.", Environment.values, "production"),
        "state": choice("How it ended.", [BatchState.FINISHED, BatchState.CANCELLED], "finished"),
        "count": count("Payouts in the file.", 3),
        "total": amount(
            'What they come to, text with two decimals, such as `"1000.00"`.', "900.00"
        ),
        "currency": _CURRENCY,
        "paid": count("How many were paid.", 2),
        "paid_total": amount("What was paid, text with two decimals.", "600.00"),
        "not_paid": count("How many were not; each has its own event that says why.", 1),
    }
)
_NOT_YET: Mapping[str, str] = MappingProxyType({"receipt": "", "result_code": ""})
# Where the example of an event differs from those of its keys.
_EXAMPLES: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "payment.pending": {
            **_NOT_YET, "state": "pending", "previous_state": "sending",
            "message": "A prompt is on its way to the phone.",
        },
        "payment.unknown": {
            **_NOT_YET, "state": "unknown", "previous_state": "sending",
            "message": "No answer came; it is being found out.",
        },
        "payment.succeeded": {"previous_state": "pending"},
        "payment.failed": {
            "state": "failed", "previous_state": "pending", "receipt": "", "result_code": "1",
            "message": "The payer's balance is too low.",
        },
        "payment.cancelled": {
            "state": "cancelled", "previous_state": "pending", "receipt": "",
            "result_code": "1032", "message": "The payer cancelled, or let the prompt time out.",
        },
        "payment.expired": {
            "state": "expired", "previous_state": "pending", "receipt": "", "result_code": "1037",
            "message": "The phone could not be reached.",
        },
        "payment.voided": {"state": "voided", "previous_state": "authorized", **_NOT_YET},
        "payment.merged": {
            "state": "merged", "previous_state": "succeeded", "product": "c2b", "receipt": "",
            "message": "This money is counted in another payment.",
        },
        "payment.unmatched": {"product": "c2b", "account_reference": "INV0O1"},
        "expectation.partly_paid": {
            "state": "partly_paid", "received": "400.00", "outstanding": "600.00",
        },
        "expectation.overpaid": {
            "state": "overpaid", "received": "1100.00", "outstanding": "-100.00",
        },
        "expectation.reopened": {
            "state": "open", "previous_state": "paid", "received": "0.00",
            "outstanding": "1000.00",
        },
        "expectation.cancelled": {
            "state": "cancelled", "received": "0.00", "outstanding": "1000.00", "payment_id": "",
        },
        "balance.recovered": {"available": "25000.00"},
        "payout_batch.cancelled": {"state": "cancelled"},
    }
)  # fmt: skip
_GROUPS: tuple[tuple[str, str, Mapping[str, Key]], ...] = (
    ("Payments", "payment.", PAYLOAD),
    ("Expected payments", "expectation.", EXPECTATION_PAYLOAD),
    ("Payout files", "payout_batch.", BATCH_PAYLOAD),
    ("Balances", "balance.", BALANCE_PAYLOAD),
    ("The initiator of M-Pesa", "mpesa.initiator_", INITIATOR_PAYLOAD),
)


def event_types() -> list[EventType]:
    """All of them as the catalogue has them."""
    return [
        event_type
        for group, prefix, keys in _GROUPS
        for event_type in declare(
            group,
            {name: said for name, said in EVENTS.items() if name.startswith(prefix)},
            keys,
            examples=_EXAMPLES,
        )
    ]
