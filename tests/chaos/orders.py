"""What is paid for: orders whose number decides what goes wrong with them and how they end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PHONE = "25471234567"
# Two in three are paid; the others end by the sandbox's amounts: cancelled, wrong PIN, too little
# money, no answer.
AMOUNTS = (100, 1032, 107, 2001, 113, 90001, 119, 1037, 127)
# By the last digit of the phone.
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "error_before", "operation": "stk_push", "phone": f"{PHONE}1", "status": 503},
    {"kind": "lose_answer", "operation": "stk_push", "phone": f"{PHONE}2"},
    {"kind": "drop", "operation": "stk_push", "phone": f"{PHONE}3"},
    {"kind": "error_after", "operation": "stk_push", "phone": f"{PHONE}4", "status": 502},
    {"kind": "duplicate_callback", "phone": f"{PHONE}5", "copies": 3, "parallel": True},
    {"kind": "out_of_order", "phone": f"{PHONE}6"},
    {"kind": "no_callback", "phone": f"{PHONE}7"},
    # Its id is lost and nobody ever calls back: only people can find out.
    {"kind": "lose_answer", "operation": "stk_push", "phone": f"{PHONE}8"},
    {"kind": "no_callback", "phone": f"{PHONE}8"},
    {"kind": "early_callback", "phone": f"{PHONE}9"},
    # All others take their time, so that there is always a push whose sender can be killed.
    {"kind": "slow", "operation": "stk_push", "seconds": 0.4},
)


# Two in three are paid out; the others end by the sandbox's amounts: too little money on our side,
# and a payee who is not registered.
PAYOUTS = (100, 90001, 107, 113, 92040, 119, 127)
PAYOUT_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "error_before", "operation": "b2c", "phone": f"{PHONE}1", "status": 503},
    {"kind": "lose_answer", "operation": "b2c", "phone": f"{PHONE}2"},
    {"kind": "drop", "operation": "b2c", "phone": f"{PHONE}3"},
    {"kind": "error_after", "operation": "b2c", "phone": f"{PHONE}4", "status": 502},
    {"kind": "duplicate_callback", "operation": "b2c", "phone": f"{PHONE}5", "copies": 3,
     "parallel": True},
    {"kind": "timeout_delivery", "operation": "b2c", "phone": f"{PHONE}6", "then_result": 2},
    {"kind": "no_callback", "operation": "b2c", "phone": f"{PHONE}7"},
    # Neither the answer nor the result comes through.
    {"kind": "lose_answer", "operation": "b2c", "phone": f"{PHONE}8"},
    {"kind": "no_callback", "operation": "b2c", "phone": f"{PHONE}8"},
    {"kind": "early_callback", "operation": "b2c", "phone": f"{PHONE}9"},
    {"kind": "slow", "operation": "b2c", "seconds": 0.4},
)  # fmt: skip


@dataclass(frozen=True)
class Order:
    """One order, to be prompted for once. Each attempt has a reference and a key of its own."""

    number: int

    @property
    def how(self) -> str:
        """Sent while the caller waits, or queued."""
        return "queued" if self.number // 3 % 2 else "now"

    def push(self, attempt: int) -> dict[str, Any]:
        """The arguments of one attempt; repeated under the same key where no answer came."""
        reference = f"C{self.number}-{attempt}"
        return {
            "phone": f"{PHONE}{self.number % 10}",
            "amount": AMOUNTS[self.number // 10 % len(AMOUNTS)],
            "account_reference": reference,
            "idempotency_key": reference,
        }


@dataclass(frozen=True)
class PayoutOrder:
    """One order to pay somebody, once. Each attempt has a reference and a key of its own."""

    number: int

    @property
    def how(self) -> str:
        """Sent while the caller waits, or queued."""
        return "payout_queued" if self.number // 3 % 2 else "payout_now"

    def push(self, attempt: int) -> dict[str, Any]:
        """The arguments of one attempt. The book knows it by its remarks."""
        reference = f"C{self.number}-{attempt}"
        return {
            "phone": f"{PHONE}{self.number % 10}",
            "amount": PAYOUTS[self.number // 10 % len(PAYOUTS)],
            "reference": reference,
            "remarks": reference,
            "idempotency_key": reference,
        }


def order_of(reference: str) -> str:
    """The order that an attempt belongs to."""
    return reference.partition("-")[0]
