"""A kind of approval for these tests, whose subject is a payment that waits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User

from integrations import approvals
from integrations.models import Approval, BusinessGrant, Payment, PaymentState
from integrations.payments import ledger

KIND = "test_payout"
PERMISSION = "integrations.approve_payout"


@dataclass
class Handlers:
    """What the kind was told, and what it is to raise."""

    told: list[tuple[str, int, str]] = field(default_factory=list)
    fault: Exception | None = None

    def on_approved(self, payment: Payment, approval: Approval) -> None:
        self.told.append(("approved", payment.pk, str(approval.state)))
        ledger.transition(payment, PaymentState.CREATED, kind="approved")
        if self.fault:
            raise self.fault

    def on_rejected(self, payment: Payment, approval: Approval) -> None:
        self.told.append(("rejected", payment.pk, str(approval.state)))
        ledger.transition(payment, PaymentState.CANCELLED, kind="rejected", text=approval.reason)
        if self.fault:
            raise self.fault


def facts(payment: Payment) -> dict[str, str]:
    return {
        "Amount": f"{payment.currency} {payment.amount:,.2f}",
        "Receiver": payment.phone,
        "Reference": payment.account_reference,
    }


@pytest.fixture
def handlers() -> Iterator[Handlers]:
    found = Handlers()
    approvals.register(
        approvals.Kind(KIND, "Test payout", PERMISSION, found.on_approved, found.on_rejected, facts)
    )
    yield found
    approvals.unregister(KIND)


def person(name: str, *businesses: str, approver: bool = True, **more: Any) -> User:
    """A member of staff with the rights to pay out and, unless told otherwise, to approve."""
    user = User.objects.create_user(name, is_staff=True, **more)
    names = ["view_approval", "view_payment", "payout_payment"]
    names += ["approve_payout"] if approver else []
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="integrations", codename__in=names)
    )
    for business in businesses:
        BusinessGrant.objects.create(user=user, business=business)
    return user


def waiting_payment(business: str = "", **more: Any) -> Payment:
    values = {
        "provider": "mpesa", "product": "b2c", "direction": "out", "environment": "sandbox",
        "business": business, "amount": Decimal(1500), "phone": "254712345678",
        "account_reference": "SAL-11", "state": PaymentState.AWAITING_APPROVAL,
        "next_attempt_at": None,
    }  # fmt: skip
    return Payment.objects.create(**{**values, **more})


def ask(payment: Payment, user: User | None, **more: Any) -> Approval:
    return approvals.request_approval(
        KIND, payment, business=payment.business, amount=payment.amount,
        currency=payment.currency, summary="KES 1,500.00 to 2547***678", requested_by=user, **more,
    )  # fmt: skip
