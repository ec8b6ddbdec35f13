"""The money: every account of every shortcode, and each movement on it, to the cent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from integrations.providers.mpesa.emulator.identifiers import new_receipt
from integrations.providers.mpesa.emulator.merchants import UTILITY, WORKING, Merchant
from integrations.providers.mpesa.emulator.money import kes

# What an account holds before anything was posted to it, in cents; the others hold nothing.
OPENING = 1_000_000_000
STK, C2B, B2C, REVERSAL = "stk_push", "c2b", "b2c", "reversal"
CHARGE, DEPOSIT = "charge", "deposit"


@dataclass(slots=True)
class Movement:
    """One movement on one account. Amounts are cents; times ISO texts of the sandbox's clock."""

    number: int
    receipt: str
    kind: str
    shortcode: str
    account: str
    paid_in: int
    withdrawn: int
    balance: int
    initiated: str
    completed: str
    party: str = ""  # the other party's MSISDN
    party_name: str = ""
    reference: str = ""
    linked: str = ""  # the receipt that a reversal takes back, or that a charge belongs to
    reversed: int = 0  # how much of it was taken back
    originator_id: str = ""
    conversation_id: str = ""
    command: str = ""

    @property
    def amount(self) -> int:
        """What moved, in cents, whichever way."""
        return self.paid_in or self.withdrawn

    @property
    def left(self) -> int:
        """What of it was not reversed yet, in cents."""
        return self.amount - self.reversed

    def as_dict(self) -> dict[str, Any]:
        """The movement as the control API shows it: shillings as text."""
        money = ("paid_in", "withdrawn", "balance", "reversed")
        return asdict(self) | {name: kes(getattr(self, name)) for name in money}


@dataclass(slots=True)
class Ledger:
    """Balances and movements since the last reset. Callers hold the lock."""

    balances: dict[tuple[str, str], int] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    by_receipt: dict[str, Movement] = field(default_factory=dict)
    by_originator: dict[str, str] = field(default_factory=dict)  # to the receipt
    receipts: set[str] = field(default_factory=set)
    _charges: dict[str, int] = field(default_factory=dict)
    _payouts: dict[str, list[Movement]] = field(default_factory=dict)  # by phone

    def open(self, merchant: Merchant, opening: Mapping[str, int] | None = None) -> None:
        """Make sure that a merchant's accounts exist; existing ones keep what they hold."""
        funded = UTILITY if merchant.is_bulk else WORKING
        for name in merchant.account_names:
            usual = OPENING if name == funded else 0
            self.balances.setdefault((merchant.shortcode, name), (opening or {}).get(name, usual))

    def new_receipt(self, now: datetime) -> str:
        """A receipt that nobody was given yet."""
        receipt = new_receipt(now)
        while receipt in self.receipts:
            receipt = new_receipt(now)
        self.receipts.add(receipt)
        return receipt

    def balance(self, shortcode: str, account: str) -> int:
        """What an account holds, in cents."""
        return self.balances.get((shortcode, account), 0)

    def accounts(self, shortcode: str) -> dict[str, int]:
        """The accounts of a shortcode in their order, with their cents."""
        return {name: cents for (owner, name), cents in self.balances.items() if owner == shortcode}

    def post(
        self, shortcode: str, account: str, change: int, *, receipt: str, kind: str, **details: Any
    ) -> Movement:
        """Move `change` cents onto the account (below zero: from it) and write the line."""
        balance = self.balance(shortcode, account) + change
        movement = Movement(
            number=len(self.movements) + 1,
            receipt=receipt,
            kind=kind,
            shortcode=shortcode,
            account=account,
            paid_in=max(change, 0),
            withdrawn=max(-change, 0),
            balance=balance,
            **details,
        )
        self._enter(movement)
        return movement

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Take over a movement of an earlier run, new or changed."""
        known = {item.name for item in fields(Movement)}
        movement = Movement(**{name: value for name, value in entry.items() if name in known})
        if movement.number <= len(self.movements):
            earlier = self.movements[movement.number - 1]
            earlier.reversed = movement.reversed
            return
        self._enter(movement)

    def paid_to(self, phone: str) -> list[Movement]:
        """The payouts that a phone got."""
        return self._payouts.get(phone, [])

    def charge_of(self, receipt: str) -> int:
        """What was charged for a payout, in cents."""
        return self._charges.get(receipt, 0)

    def of(self, shortcode: str, account: str = "") -> Iterator[Movement]:
        """The movements of a shortcode, of one of its accounts or of all."""
        return (
            movement
            for movement in self.movements
            if movement.shortcode == shortcode and account in {"", movement.account}
        )

    def _enter(self, movement: Movement) -> None:
        self.movements.append(movement)
        self.balances[movement.shortcode, movement.account] = movement.balance
        self.receipts.add(movement.receipt)
        if movement.kind == CHARGE:
            self._charges[movement.receipt] = movement.withdrawn
        elif movement.kind != DEPOSIT:
            self.by_receipt[movement.receipt] = movement
            if movement.originator_id:
                self.by_originator[movement.originator_id] = movement.receipt
        if movement.kind == B2C:
            self._payouts.setdefault(movement.party, []).append(movement)
