"""C2B on record: who registered which addresses, and every payment that customers started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from integrations.providers.mpesa.emulator.money import kes

PENDING, COMPLETED, REJECTED, FAILED = "pending", "completed", "rejected", "failed"


@dataclass(slots=True)
class Registration:
    """The addresses of one number, and what happens when validation can't be reached."""

    number: str
    version: str
    response_type: str
    confirmation_url: str
    validation_url: str
    created: str
    is_deleted: bool = False


@dataclass(slots=True)
class CustomerPayment:
    """One payment to a PayBill or till. Times are ISO texts; the amount cents."""

    id: int
    receipt: str
    shortcode: str
    number: str  # what the customer paid to: the shortcode, or a till of it
    transaction_type: str
    amount: int
    phone: str
    bill_ref: str
    source: str  # simulate, customer or stk_push
    created: str
    originator_id: str = ""
    planned_code: str = "0"
    planned_seconds: float = 0.0
    first_name: str = ""
    middle_name: str = ""
    last_name: str = ""
    state: str = PENDING
    code: str = ""
    third_party_id: str = ""
    balance: int = 0
    decided: str = ""
    deliveries: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The payment as the control API shows it: shillings as text."""
        return asdict(self) | {"amount": kes(self.amount), "balance": kes(self.balance)}


@dataclass(slots=True)
class C2BBook:
    """Everything since the last reset. Callers hold the lock."""

    payments: dict[int, CustomerPayment] = field(default_factory=dict)
    registrations: dict[str, Registration] = field(default_factory=dict)
    validated: set[str] = field(default_factory=set)

    @property
    def next_id(self) -> int:
        """The number of the next payment."""
        return len(self.payments) + 1

    def registration(self, *numbers: str) -> Registration | None:
        """The living registration of the first of these numbers that has one."""
        for number in numbers:
            found = self.registrations.get(number)
            if found is not None and not found.is_deleted:
                return found
        return None

    def switch_validation(self, number: str, is_on: bool) -> None:
        """Whether the shop of this number is asked before a payment."""
        (self.validated.add if is_on else self.validated.discard)(number)

    def replay_payment(self, entry: Mapping[str, Any]) -> None:
        """Take over a payment of an earlier run, new or changed."""
        known = {item.name for item in fields(CustomerPayment)}
        payment = CustomerPayment(**{key: value for key, value in entry.items() if key in known})
        self.payments[payment.id] = payment

    def replay_registration(self, entry: Mapping[str, Any]) -> None:
        """Take over a registration of an earlier run."""
        self.registrations[entry["number"]] = Registration(**entry)

    def pending(self) -> Iterator[CustomerPayment]:
        """The payments that did not come to their end."""
        return (each for each in self.payments.values() if each.state == PENDING)

    def summary(self) -> dict[str, Any]:
        """Payments and registrations, as the control API shows them."""
        return {
            "c2b": [payment.as_dict() for payment in self.payments.values()],
            "registrations": [
                asdict(each) | {"is_validated": each.number in self.validated}
                for each in self.registrations.values()
                if not each.is_deleted
            ],
        }
