"""A product that is broken on purpose, so that the judge has somebody to find guilty."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class Sabotage(AppConfig):
    """A payment whose sender was lost is taken for one that never left: sent anew."""

    name = "tests.chaos.sabotage"
    label = "chaos_sabotage"
    path = __file__.rpartition("/")[0]

    def ready(self) -> None:
        from integrations import work
        from integrations.models import Payment
        from integrations.payments import reconcile
        from integrations.providers.mpesa.payloads import new_originator_id

        def send_again(payment: Payment, _course: Any) -> work.Outcome:
            rows = Payment.objects.filter(pk=payment.pk, state="sending")
            rows.update(state="created", originator_id=new_originator_id(), callback_digest=None)
            return work.Again(delay_seconds=0)

        reconcile._doubt_expired = send_again
