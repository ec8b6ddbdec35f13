"""What the answer to an STK query does to a payment, and when to ask again."""

from __future__ import annotations

from integrations.config.store import bad_business
from integrations.exceptions import InvalidInput
from integrations.models import Environment, Payment, PaymentState
from integrations.payments import ledger
from integrations.providers.mpesa.client import QueryAnswer
from integrations.providers.mpesa.codes import Outcome, Refusal
from integrations.work.clock import database_now

# Polling advice of the Daraja reference, section 5: 10 to 15 s apart for some minutes,
# then ever slower. (age in seconds, pause in seconds)
PAUSES = ((150, 12), (900, 60), (7200, 600), (172800, 3600))
# A prompt without an answer and without an id to ask by: people look after this many seconds.
UNASKABLE_AFTER = 300.0
GIVEN_UP = "M-Pesa gave no certain answer for two days: compare with the statement."
WRONG_AMOUNT = "M-Pesa says paid, but its callback told another amount: compare with the statement."


def age_of(payment: Payment) -> float:
    """Seconds since it was sent (or stored, where it was not), by the database's clock."""
    return (database_now() - (payment.sent_at or payment.created_at)).total_seconds()


def pause_before_next_look(payment: Payment) -> float | None:
    """Seconds until the provider is asked again, by the payment's age; None to stop asking."""
    age = age_of(payment)
    return next((float(pause) for limit, pause in PAUSES if age < limit), None)


def find_by_checkout_id(checkout_id: str, business: str) -> Payment | None:
    """The payment that M-Pesa gave this id, in whichever environment; None where we have none.

    Raises InvalidInput for one of another business.
    """
    if type(business) is not str:
        raise bad_business()
    found = Payment.objects.filter(
        provider="mpesa", environment__in=Environment.values, checkout_id=checkout_id
    )
    payments = list(found.order_by("-id"))
    own = [payment for payment in payments if payment.business == business]
    if payments and not own:
        raise InvalidInput("checkout_id", "is not known for this business.")
    return own[0] if own else None


def apply_query(payment: Payment, answer: QueryAnswer) -> None:
    """Move a payment by a query's answer. Unknown codes and errors never fail it."""
    meaning = answer.explanation
    if meaning is None or meaning.outcome is Outcome.PENDING:
        # "Does not exist" is no proof of failure either (section 5): keep asking.
        if answer.error is not None and answer.error.refusal is Refusal.ABSENT:
            _doubt(payment, "M-Pesa does not know the request.", changes={})
        return
    changes = {"result_code": meaning.code[:40], "result_text": answer.result_text}
    if meaning.outcome is Outcome.UNKNOWN:
        text = f"M-Pesa answered with the unknown code {meaning.code!r}."
        _doubt(payment, text, changes=changes)
    elif meaning.outcome is Outcome.SUCCEEDED and has_wrong_amount(payment):
        # A query names no amount, so it can't say that the right one was paid.
        _doubt(payment, WRONG_AMOUNT, changes=changes)
        ledger.flag(payment, WRONG_AMOUNT)
    else:
        ledger.transition(
            payment,
            PaymentState(meaning.outcome.value),
            kind="asked",
            text=meaning.sentence,
            data={"result_code": meaning.code},
            changes={**changes, "message": meaning.sentence[:300]},
        )


def has_wrong_amount(payment: Payment) -> bool:
    """Whether a callback in good order reported another amount than was asked for."""
    return payment.events.filter(kind="wrong_amount").exists()


def _doubt(payment: Payment, text: str, *, changes: dict[str, str]) -> None:
    """Keep the payment unknown; past the last look, people take over."""
    pause = pause_before_next_look(payment)
    if payment.state == PaymentState.UNKNOWN:
        if changes and payment.result_code != changes["result_code"]:
            Payment.objects.filter(pk=payment.pk).update(**changes)
        return
    moved = ledger.transition(
        payment, PaymentState.UNKNOWN, kind="asked", text=text, changes=changes, due_in=pause
    )
    if moved and pause is None:
        ledger.flag(payment, GIVEN_UP)
