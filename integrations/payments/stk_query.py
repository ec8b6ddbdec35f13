"""What the answer to an STK query does to a payment, and when to ask again."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from integrations.models import Payment, PaymentState
from integrations.payments import ledger
from integrations.providers.mpesa.client import QueryAnswer
from integrations.providers.mpesa.codes import Outcome, Refusal

# Polling advice of the Daraja reference, section 5: 10 to 15 s apart for some minutes,
# then ever slower. (age in seconds, pause in seconds)
PAUSES = ((150, 12), (900, 60), (7200, 600), (172800, 3600))
# A prompt without an answer and without an id to ask by: people look after this many seconds.
UNASKABLE_AFTER = 300.0


def pause_before_next_look(payment: Payment) -> float | None:
    """Seconds until the provider is asked again, by the payment's age; None to stop asking."""
    age = (timezone.now() - (payment.sent_at or payment.created_at)) / timedelta(seconds=1)
    return next((float(pause) for limit, pause in PAUSES if age < limit), None)


def apply_query(payment: Payment, answer: QueryAnswer) -> None:
    """Move a payment by a query's answer. Unknown codes and errors never fail it."""
    meaning = answer.explanation
    if meaning is None or meaning.outcome in (Outcome.PENDING, Outcome.UNKNOWN):
        # "Does not exist" is no proof of failure either (section 5): keep asking.
        absent = answer.error is not None and answer.error.refusal is Refusal.ABSENT
        if absent and payment.state == PaymentState.PENDING:
            ledger.transition(
                payment,
                PaymentState.UNKNOWN,
                kind="asked",
                text="M-Pesa does not know the request.",
                due_in=pause_before_next_look(payment),
            )
        elif meaning is not None and meaning.outcome is Outcome.UNKNOWN:
            _note_unknown_code(payment, meaning.code, answer.result_text)
        return
    ledger.transition(
        payment,
        PaymentState(meaning.outcome.value),
        kind="asked",
        text=meaning.sentence,
        data={"result_code": meaning.code},
        changes={
            "result_code": meaning.code,
            "result_text": answer.result_text,
            "message": meaning.sentence[:300],
        },
    )


def _note_unknown_code(payment: Payment, code: str, text: str) -> None:
    changes = {"result_code": code[:40], "result_text": text}
    if payment.state != PaymentState.UNKNOWN:
        ledger.transition(
            payment,
            PaymentState.UNKNOWN,
            kind="asked",
            changes=changes,
            text=f"M-Pesa answered with the unknown code {code!r}.",
            due_in=pause_before_next_look(payment),
        )
    elif payment.result_code != code[:40]:
        Payment.objects.filter(pk=payment.pk).update(**changes)
