"""The asynchronous requests: payouts, reversals and questions, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from integrations.providers.mpesa.emulator.money import kes

PAYOUT, REVERSE, STATUS, BALANCE = "b2c", "reversal", "transaction_status", "account_balance"
# Under which name the control API lists each.
LISTS = {PAYOUT: "payouts", REVERSE: "reversals", STATUS: "queries", BALANCE: "queries"}


@dataclass(slots=True)
class Order:
    """One accepted request. Times are ISO texts of the sandbox's clock; amounts cents."""

    id: int  # given when it is entered
    operation: str
    command: str
    originator_id: str
    conversation_id: str
    shortcode: str
    initiator: str
    result_url: str
    timeout_url: str
    created: str
    version: str = ""
    phone: str = ""
    amount: int = 0
    transaction_id: str = ""  # the receipt that a reversal or a question names
    asked_id: str = ""  # the conversation that a question names
    remarks: str = ""
    occasion: str = ""
    planned_code: str = ""
    planned_description: str = ""
    planned_seconds: float = 0.0
    source: str = ""
    result_code: str = ""
    result_description: str = ""
    receipt: str = ""
    charge: int = 0
    decided: str = ""
    deliveries: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_pending(self) -> bool:
        """Whether it has no result yet."""
        return not self.result_code

    def as_dict(self) -> dict[str, Any]:
        """The order as the control API shows it: shillings as text."""
        return asdict(self) | {
            "amount": kes(self.amount),
            "charge": kes(self.charge),
            "state": "pending" if self.is_pending else "decided",
        }


@dataclass(slots=True)
class OrderBook:
    """All orders since the last reset, in order of acceptance. Callers hold the lock."""

    orders: dict[int, Order] = field(default_factory=dict)
    by_conversation: dict[str, Order] = field(default_factory=dict)

    @property
    def next_id(self) -> int:
        """The number of the next order."""
        return len(self.orders) + 1

    def add(self, order: Order) -> None:
        """Enter an accepted order under both of its ids."""
        self.orders[order.id] = order
        self.by_conversation[order.originator_id] = order
        self.by_conversation[order.conversation_id] = order

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Apply one journal entry: a whole order, or the same one later."""
        known = {item.name for item in fields(Order)}
        change = {name: value for name, value in entry.items() if name in known}
        order = self.orders.get(change["id"])
        if order is None:
            self.add(Order(**change))
            return
        for name, value in change.items():
            setattr(order, name, value)

    def pending(self) -> Iterator[Order]:
        """The orders that have no result yet."""
        return (order for order in self.orders.values() if order.is_pending)

    def summary(self) -> dict[str, Any]:
        """The orders by their lists: payouts, reversals and queries."""
        lists: dict[str, list[dict[str, Any]]] = {name: [] for name in LISTS.values()}
        for order in self.orders.values():
            lists[LISTS[order.operation]].append(order.as_dict())
        return lists

    def sums(self) -> dict[str, Any]:
        """What a shop would compare with its ledger."""
        figures: dict[str, Any] = {}
        for operation in (PAYOUT, REVERSE):
            all_of_them = [each for each in self.orders.values() if each.operation == operation]
            done = [order for order in all_of_them if order.result_code == "0"]
            name = LISTS[operation]
            figures[name] = len(all_of_them)
            figures[f"{name}_pending"] = sum(order.is_pending for order in all_of_them)
            figures[f"{name}_done"] = len(done)
            figures[f"{name}_kes"] = kes(sum(order.amount for order in done))
        return figures
