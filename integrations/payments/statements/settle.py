"""What the provider's books settle by themselves, through the ledger."""

from __future__ import annotations

from decimal import Decimal

from django.db import IntegrityError, transaction

from integrations.models import Payment, StatementLine
from integrations.models import PaymentState as S
from integrations.payments import ledger

KIND = "statement"
PAID = "Paid, by M-Pesa's own list of transactions."


def settle_by(line: StatementLine, payment: Payment, *, charge: Decimal | None = None) -> bool:
    """Settle `payment` as paid by `line`; False where its state does not allow it any more.

    The caller has made sure that the line is about this payment and that its facts fit. A
    success that a query had found gets its receipt. Repeatable.
    """
    values: dict[str, object] = {"receipt": line.receipt, "paid_at": line.at}
    if charge is not None:
        values["charge"] = charge
    try:
        with transaction.atomic():
            if payment.state == S.SUCCEEDED:
                return _attach_receipt(line, payment, values)
            return ledger.transition(
                payment,
                S.SUCCEEDED,
                kind=KIND,
                text=f"{line.receipt}, {line.currency} {line.amount:,.2f}: {PAID}",
                data={"receipt": line.receipt, "line": line.pk, "source": line.source},
                changes={**values, "result_code": "0", "message": PAID},
            )
    except IntegrityError:
        # Another payment has this receipt since a moment ago.
        payment.refresh_from_db()
        return False


def _attach_receipt(line: StatementLine, payment: Payment, values: dict[str, object]) -> bool:
    if not Payment.objects.filter(pk=payment.pk, receipt=None, state=S.SUCCEEDED).update(**values):
        return False
    payment.refresh_from_db()
    ledger.note(payment, "receipt", f"Receipt {line.receipt}, by M-Pesa's list of transactions.",
                data={"receipt": line.receipt})  # fmt: skip
    ledger.tell_receipt(payment)
    return True
