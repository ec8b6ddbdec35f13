"""An account with settings and no network: a comparison only reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from integrations.models import MpesaSettings, Payment, StatementRun
from integrations.payments.statements.compare import compare_now
from integrations.payments.statements.start import import_file
from integrations.providers.mpesa.payloads import NAIROBI
from tests.conftest import CONSUMER_KEY, CONSUMER_SECRET
from tests.hunt.plants import PASSKEY
from tests.payments.statements.sheets import sheet

AT = datetime(2026, 1, 14, 9, 30, 21, tzinfo=NAIROBI)
Reconcile = Callable[..., StatementRun]


@pytest.fixture
def account(transactional_db: None) -> MpesaSettings:
    return MpesaSettings.objects.create(
        consumer_key=CONSUMER_KEY, consumer_secret=CONSUMER_SECRET, passkey=PASSKEY,
        short_code="174379",
    )  # fmt: skip


@pytest.fixture
def reconcile(account: MpesaSettings) -> Reconcile:
    """Import rows as a file and compare them."""

    def run(*rows: dict[str, str], **options: Any) -> StatementRun:
        found = import_file(sheet(*rows, **options), name="statement.csv").run
        compare_now(found)
        return found

    return run


def pay(receipt: str | None = None, **values: Any) -> Payment:
    """A payment of the day, paid with this receipt unless told otherwise."""
    at = values.pop("at", AT)
    paid = {"state": "succeeded", "paid_at": at, "completed_at": at} if receipt else {}
    defaults: dict[str, Any] = {
        "provider": "mpesa", "product": "stk_push", "environment": "sandbox", "amount": 150,
        "phone": "254712345678", "account_reference": "INV001", "short_code": "174379",
        "receipt": receipt, "state": "unknown", "next_attempt_at": None, "work_state": "idle",
    }  # fmt: skip
    payment = Payment.objects.create(**{**defaults, **paid, **values})
    sent_at = values.get("sent_at", at - timedelta(seconds=20))
    Payment.objects.filter(pk=payment.pk).update(created_at=sent_at, sent_at=sent_at)
    payment.refresh_from_db()
    return payment
