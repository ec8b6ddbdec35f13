"""The state machine: only the table's moves, one winner, final is final but for a late success."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.exceptions import IntegrationError
from integrations.models import DomainEvent, Payment, PaymentEvent, PaymentState, Product
from integrations.payments import ledger
from integrations.payments.states import FINAL, ONLY_FOR, REVISABLE, TRANSITIONS, sources_of

S = PaymentState


def open_payment(**changes: Any) -> Payment:
    values = {
        "provider": "mpesa",
        "product": "stk_push",
        "environment": "sandbox",
        "amount": Decimal(100),
        "state": S.CREATED,
        **changes,
    }
    payment = Payment.objects.create(**values)
    payment.refresh_from_db()
    return payment


def test_the_table_names_every_state_and_the_only_ways_out_of_an_end() -> None:
    assert set(TRANSITIONS) == set(S)
    assert set().union(*TRANSITIONS.values()) <= set(S)
    exits = {(state, target) for state in FINAL for target in TRANSITIONS[state]}
    late = {(state, S.SUCCEEDED) for state in (S.FAILED, S.CANCELLED, S.EXPIRED)}
    assert exits == late | {(S.SUCCEEDED, S.MERGED)}
    assert {S.SUCCEEDED, S.VOIDED, S.MERGED} == FINAL - REVISABLE
    # Sent again only where the sender knows that nothing left; what is in doubt never is, but
    # for a payout, whose id the provider takes once only.
    for product in Product:
        before_approval = {S.SENDING, S.AWAITING_APPROVAL}
        in_doubt = {S.UNKNOWN} if product is Product.B2C else set()
        assert sources_of(S.CREATED, product) == before_approval | in_doubt
        assert sources_of(S.MERGED, product) == ({S.SUCCEEDED} if product is Product.C2B else set())
    assert S.SENDING not in TRANSITIONS[S.UNKNOWN]
    assert S.SENDING not in TRANSITIONS[S.PENDING]
    assert sources_of(S.SENDING, Product.STK_PUSH) == {S.CREATED}


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=st.lists(st.tuples(st.sampled_from(list(S)), st.sampled_from([*S, None]))))
def test_any_sequence_of_moves_follows_the_table(
    transactional_db: None, moves: list[tuple[S, S | None]]
) -> None:
    payment = open_payment()
    steps: list[tuple[str, str]] = []
    for target, only_from in moves:
        before = S(payment.state)
        moved = ledger.transition(payment, target, kind="test", only_from=only_from, due_in=5)
        is_known = target in TRANSITIONS[before] and (before, target) not in ONLY_FOR
        is_allowed = is_known and only_from in (None, before)
        assert moved is is_allowed
        assert payment.state == (target if moved else before)
        if moved:
            steps.append((before, target))
            is_late = before in REVISABLE
            assert bool(payment.attention) >= is_late
        if payment.state in FINAL:
            assert payment.next_attempt_at is None
            assert payment.completed_at is not None
    assert list(payment.events.values_list("from_state", "to_state")) == steps
    told = DomainEvent.objects.filter(payload__payment_id=str(payment.public_id)).order_by("id")
    heard = [(event.payload["previous_state"], event.payload["state"]) for event in told]
    assert heard == [step for step in steps if step[1] in ledger.TOLD]
    assert sum(event.payload["late"] for event in told) == sum(
        before in REVISABLE for before, _ in steps
    )


@pytest.mark.parametrize("round_", range(5))
def test_of_two_moves_at_once_one_wins(transactional_db: None, round_: int) -> None:
    payment = open_payment(state=S.PENDING)
    together = threading.Barrier(2)
    wins: list[S] = []

    def move(target: S) -> None:
        try:
            own = Payment.objects.get(pk=payment.pk)
            together.wait()
            if ledger.transition(own, target, kind="race"):
                wins.append(target)
            # Whoever lost knows how it stands now.
            assert own.state != S.PENDING
        finally:
            connection.close()

    threads = [threading.Thread(target=move, args=(state,)) for state in (S.FAILED, S.CANCELLED)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    payment.refresh_from_db()
    assert payment.state == wins[0]
    assert payment.events.count() == DomainEvent.objects.count() == 1


def test_a_move_that_is_rolled_back_was_never_told(transactional_db: None) -> None:
    payment = open_payment(state=S.PENDING)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert ledger.transition(payment, S.SUCCEEDED, kind="test")
        1 / 0  # noqa: B018
    payment.refresh_from_db()
    assert payment.state == S.PENDING
    assert PaymentEvent.objects.count() == DomainEvent.objects.count() == 0


def test_a_move_under_a_claim_that_was_lost_is_refused(transactional_db: None) -> None:
    payment = open_payment(claim_token="mine")
    Payment.objects.update(claim_token="theirs")
    assert not ledger.begin_sending(payment, text="", changes={}, claim="mine")
    assert payment.state == S.CREATED
    assert payment.claim_token == "theirs"


def test_after_a_move_the_payment_says_what_its_row_says(transactional_db: None) -> None:
    payment = open_payment(state=S.SENDING, claim_token="mine")
    Payment.objects.update(attention="Written by another process.", description="Also changed")
    changes = {"checkout_id": "ws_CO_1", "merchant_request_id": "1"}
    assert ledger.transition(payment, S.PENDING, kind="test", changes=changes, due_in=60.0)
    row = Payment.objects.get()
    for field in Payment._meta.concrete_fields:
        assert getattr(payment, field.attname) == getattr(row, field.attname), field.name


def test_history_is_append_only(transactional_db: None) -> None:
    payment = open_payment()
    ledger.note(payment, "note", "first")
    event = payment.events.get()
    for attempt in (event.save, event.delete, payment.events.all().delete):
        with pytest.raises(IntegrationError):
            attempt()
    with pytest.raises(IntegrationError):
        PaymentEvent.objects.update(text="changed")
    with pytest.raises((models.ProtectedError, IntegrationError)):
        payment.delete()


def test_the_first_reason_to_look_stays_and_each_is_noted_once(transactional_db: None) -> None:
    payment = open_payment(state=S.PENDING)
    for reason in ("first", "second", "first", "second"):
        ledger.flag(payment, reason)
    payment.refresh_from_db()
    assert payment.attention == "first"
    noted = list(payment.events.values_list("kind", "text"))
    assert noted == [("attention", "first"), ("attention", "second")]


@pytest.mark.parametrize(
    "twin",
    [
        {"idempotency_key": "k"},
        {"checkout_id": "ws_1"},
        {"receipt": "UAE4X7K2QP"},
        {"callback_digest": "d"},
    ],
)
def test_the_database_itself_refuses_twins(transactional_db: None, twin: dict[str, str]) -> None:
    open_payment(**twin)
    with pytest.raises(IntegrityError):
        open_payment(**twin)
    if "callback_digest" not in twin:
        open_payment(**twin, environment="production")


@pytest.mark.parametrize("amount", [0, -1])
def test_the_database_itself_refuses_amounts_that_are_none(
    transactional_db: None, amount: int
) -> None:
    with pytest.raises(IntegrityError):
        open_payment(amount=amount)


def test_money_is_decimal_from_the_database_to_the_event(transactional_db: None) -> None:
    payment = open_payment(amount=Decimal("1000"), state=S.PENDING, phone="254712345678")
    assert isinstance(payment.amount, Decimal)
    ledger.transition(payment, S.SUCCEEDED, kind="test")
    payload = DomainEvent.objects.get().payload
    assert (payload["amount"], payload["currency"]) == ("1000.00", "KES")
    assert payload["phone"] == "2547***678"
    floats = [
        field.name
        for model in (Payment, PaymentEvent)
        for field in model._meta.get_fields()
        if isinstance(field, models.FloatField)
    ]
    assert floats == []


def test_a_reason_that_comes_back_after_it_was_cleared_is_shown_again(
    transactional_db: None,
) -> None:
    payment = open_payment(state=S.PENDING)
    ledger.flag(payment, "first")
    ledger.flag(payment, "first")
    assert payment.events.count() == 1
    Payment.objects.update(attention="")
    ledger.flag(payment, "first")
    payment.refresh_from_db()
    assert payment.attention == "first"
