"""From the last disaster to the verdict."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from django.db import connections

from integrations.models import Payment, PaymentEvent
from tests.chaos.aftermath import let_time_pass
from tests.chaos.installation import Installation
from tests.chaos.judge import disagreements, half_written
from tests.chaos.load import Told
from tests.chaos.orders import Order, PayoutOrder
from tests.chaos.payout_judge import payout_disagreements
from tests.conftest import PAYING_CODE


def judge(installation: Installation, told: Sequence[Told], orders: Sequence[Order]) -> list[str]:
    """Let everything come to its end, then compare; disagreements in words."""
    began = time.monotonic()
    let_time_pass(installation.sandbox)
    print(f"all at an end after {time.monotonic() - began:.1f} s")
    connections.close_all()
    payments = list(Payment.objects.order_by("id"))
    prompts = installation.sandbox.prompts()
    work_list = sum(bool(payment.attention) for payment in payments)
    print(
        f"{len(orders)} orders, {len(payments)} payments, {len(prompts)} prompts, "
        f"{work_list} on the work list; {dict(Counter(payment.state for payment in payments))}"
    )
    return [*disagreements(prompts, payments, told, orders), *half_written()]


def judge_payouts(
    installation: Installation,
    told: Sequence[Told],
    orders: Sequence[PayoutOrder],
    *,
    before: Decimal,
) -> list[str]:
    """The same for payouts. `before` is what the accounts held before the first one."""
    began = time.monotonic()
    let_time_pass(installation.sandbox)
    print(f"all at an end after {time.monotonic() - began:.1f} s")
    connections.close_all()
    payments = list(Payment.objects.order_by("id"))
    entries = installation.sandbox.book()["payouts"]
    spent = before - held(installation)
    again = PaymentEvent.objects.filter(kind="not_arrived").count()
    print(
        f"{len(orders)} orders, {len(payments)} payouts, {len(entries)} in the book, {again} sent "
        f"again, KES {spent} spent; {dict(Counter(payment.state for payment in payments))}"
    )
    found = payout_disagreements(entries, payments, told, orders, spent=spent)
    return [*found, *half_written()]


def held(installation: Installation) -> Decimal:
    """What the paying accounts hold in the book."""
    return sum(installation.sandbox.accounts(PAYING_CODE).values(), Decimal(0))
