"""A product that is broken on purpose, so that the judge has somebody to find guilty."""

from __future__ import annotations

import os
from typing import Any

from django.apps import AppConfig


class Sabotage(AppConfig):
    """What was lost on the way is taken for something that never left: sent anew.

    "send_again": a payment, under a new id. "fresh_number": an invoice, under the next number.
    """

    name = "tests.chaos.sabotage"
    label = "chaos_sabotage"
    path = __file__.rpartition("/")[0]

    def ready(self) -> None:
        sabotage = {"send_again": self._send_payments_again, "fresh_number": self._number_anew}
        sabotage[os.environ["CHAOS_SABOTAGE"]]()

    def _number_anew(self) -> None:
        from integrations import work
        from integrations.kra.outbox import doubt
        from integrations.models import KRABranch, KRAInvoice

        def number_anew(invoice: KRAInvoice) -> work.Outcome:
            branches = KRABranch.objects.filter(pk=invoice.branch_id)
            branches.update(last_invoice_number=invoice.number)
            rows = KRAInvoice.objects.filter(pk=invoice.pk)
            rows.update(state="queued", number=None, body=None)
            return work.Again(delay_seconds=0)

        doubt.resolve = doubt.take_over = number_anew

    def _send_payments_again(self) -> None:
        from integrations import work
        from integrations.models import Payment
        from integrations.payments import reconcile
        from integrations.providers.mpesa.payloads import new_originator_id

        def send_again(payment: Payment, _course: Any) -> work.Outcome:
            rows = Payment.objects.filter(pk=payment.pk, state="sending")
            rows.update(state="created", originator_id=new_originator_id(), callback_digest=None)
            return work.Again(delay_seconds=0)

        reconcile._doubt_expired = send_again
