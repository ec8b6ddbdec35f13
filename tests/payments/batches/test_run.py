"""A payout file from storing to its end: approved as a whole, sent row by row, each once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction

from integrations import approvals
from integrations.exceptions import ApprovalRefused, IntegrationError, InvalidInput
from integrations.models import (
    Approval,
    AuditEntry,
    BatchState,
    DomainEvent,
    MpesaSettings,
    Payment,
    PayoutBatch,
    ProviderCall,
)
from integrations.models import PaymentState as S
from integrations.payments.batches import control
from tests.approvals.conftest import person
from tests.conftest import domain_events, make_due, run_work
from tests.payments.batches.conftest import (
    batch_of,
    file_of,
    pay,
    phone,
    states,
    text_of,
    turn,
)
from tests.payments.results import payouts
from tests.sandbox.driver import SandboxDriver

Through = Callable[[PayoutBatch], None]


@pytest.fixture
def waiting(paying: MpesaSettings) -> MpesaSettings:
    """Files above KES 1,000 wait for a second person."""
    paying.approve_above = 1000
    paying.save()
    return paying


def test_a_file_goes_out_and_is_told_of(
    paying: MpesaSettings, sandbox: SandboxDriver, work_through: Through
) -> None:
    success, _message, data = pay(text_of(25), name="May", requested_by=person("mary"))
    assert (success, data["state"], data["count"]) == (True, "running", 25)
    batch = batch_of(data)
    assert data["total"] == f"{sum(100 + n % 7 for n in range(25))}.00"
    assert (batch.name, batch.requested_by_name) == ("May", "mary")
    first = batch.rows.order_by("pk")[0]
    assert (first.party_name, first.description, first.product) == (
        "Person 0", "Salary May", "b2c",
    )  # fmt: skip
    assert [event.kind for event in first.events.all()] == ["created"]
    work_through(batch)
    assert states(batch) == {"succeeded": 25}
    assert batch.state == BatchState.FINISHED and batch.ended_at
    assert len(payouts(sandbox)) == 25
    told = DomainEvent.objects.get(event_type="payout_batch.finished").payload
    assert (told["paid"], told["paid_total"], told["not_paid"]) == (25, data["total"], 0)
    assert AuditEntry.objects.filter(action="payout_file.opened").count() == 1
    # One token served all of them.
    assert ProviderCall.objects.filter(operation="token").count() == 1


def test_only_so_many_rows_are_due_at_once_as_go_out_in_a_second(paying: MpesaSettings) -> None:
    paying.requests_per_second = 4
    paying.save()
    batch = batch_of(pay(text_of(10))[2])
    turn(batch)
    due = batch.rows.filter(next_attempt_at__isnull=False)
    assert due.count() == 4
    turn(batch)
    assert due.count() == 4
    # Another file of the same account shares the pace.
    other = batch_of(pay(text_of(5, first=50))[2])
    turn(other)
    assert not other.rows.filter(next_attempt_at__isnull=False).exists()
    run_work("payments")
    turn(batch)
    assert batch.rows.exclude(state=S.CREATED).count() == 4
    assert batch.rows.filter(state=S.CREATED, next_attempt_at__isnull=False).count() == 4


def test_above_the_limit_by_its_total_it_waits_and_goes_out_once_approved(
    waiting: MpesaSettings, sandbox: SandboxDriver, work_through: Through
) -> None:
    maker, checker = person("mary"), person("ann")
    success, message, data = pay(text_of(15), requested_by=maker)
    assert (success, data["state"]) == (True, "awaiting_approval")
    assert "second person" in message
    batch = batch_of(data)
    run_work()
    assert states(batch) == {"awaiting_approval": 15}
    approval = Approval.objects.get()
    assert (approval.kind, approval.amount, approval.subject) == (
        "payout_batch", batch.total, batch,
    )  # fmt: skip
    assert ["Payouts", "15"] in approval.facts and ["Rows", batch.digest] in approval.facts
    with pytest.raises(ApprovalRefused):
        approvals.decide(approval, maker, approve=True)
    approvals.decide(approval, checker, approve=True)
    work_through(batch)
    assert states(batch) == {"succeeded": 15}
    kinds = list(batch.rows.first().events.values_list("kind", flat=True))
    assert kinds[:2] == ["created", "approved"]


def test_below_the_limit_it_does_not_wait(waiting: MpesaSettings) -> None:
    assert pay(text_of(9))[2]["state"] == "running"


def test_a_row_that_changed_while_it_waited_can_not_be_approved(waiting: MpesaSettings) -> None:
    batch = batch_of(pay(text_of(15), requested_by=person("mary"))[2])
    checker, approval = person("ann"), Approval.objects.get()
    first = batch.rows.order_by("pk")[0]
    Payment.objects.filter(pk=first.pk).update(phone="254799999999")
    with pytest.raises(ApprovalRefused) as refused:
        approvals.decide(approval, checker, approve=True)
    assert (refused.value.code, "(Rows)" in refused.value.message) == ("approval_changed", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 5000},
        {"phone": "254799999999"},
        {"account_reference": "OTHER"},
        {"transaction_type": "SalaryPayment"},
        {"occasion": "Other"},
    ],
    ids=str,
)
def test_a_row_that_changed_after_the_approval_is_not_sent(
    waiting: MpesaSettings, sandbox: SandboxDriver, work_through: Through, changes: dict[str, Any]
) -> None:
    batch = batch_of(pay(text_of(15), requested_by=person("mary"))[2])
    approvals.decide(Approval.objects.get(), person("ann"), approve=True)
    first = batch.rows.order_by("pk")[0]
    Payment.objects.filter(pk=first.pk).update(**changes)
    work_through(batch)
    first.refresh_from_db()
    assert (first.state, first.result_code) == ("failed", "approval_changed")
    assert states(batch) == {"failed": 1, "succeeded": 14}
    assert len(payouts(sandbox)) == 14


def test_a_file_that_was_put_past_its_approval_is_not_sent(
    waiting: MpesaSettings, sandbox: SandboxDriver, work_through: Through
) -> None:
    batch = batch_of(pay(text_of(15), requested_by=person("mary"))[2])
    PayoutBatch.objects.update(state=BatchState.RUNNING, work_state="due")
    PayoutBatch.objects.update(next_attempt_at=batch.created_at)
    batch.refresh_from_db()
    work_through(batch)
    assert states(batch) == {"failed": 15}
    assert set(batch.rows.values_list("result_code", flat=True)) == {"not_approved"}
    assert payouts(sandbox) == []


@pytest.mark.parametrize("how", ["reject", "withdraw", "cancel"])
def test_a_file_that_is_not_approved_never_goes_out(
    waiting: MpesaSettings, sandbox: SandboxDriver, how: str, work_through: Through
) -> None:
    maker, checker = person("mary"), person("ann")
    batch = batch_of(pay(text_of(15), requested_by=maker)[2])
    approval = Approval.objects.get()
    if how == "reject":
        approvals.decide(approval, checker, approve=False, reason="Wrong month")
    elif how == "withdraw":
        approvals.withdraw(approval, maker)
    else:
        control.cancel(batch, maker)
    work_through(batch)
    assert (batch.state, states(batch)) == (BatchState.CANCELLED, {"cancelled": 15})
    assert DomainEvent.objects.filter(event_type="payment.cancelled").count() == 15
    assert DomainEvent.objects.filter(event_type="payout_batch.cancelled").count() == 1
    assert payouts(sandbox) == []


def test_paused_nothing_more_goes_out_and_resumed_the_rest_does(
    paying: MpesaSettings, sandbox: SandboxDriver, work_through: Through
) -> None:
    paying.requests_per_second = 4
    paying.save()
    batch = batch_of(pay(text_of(10))[2])
    turn(batch)
    run_work("payments")
    turn(batch)
    control.pause(batch, person("mary"))
    run_work("payments")
    turn(batch)
    assert batch.state == BatchState.PAUSED
    assert len(payouts(sandbox)) == 4
    with pytest.raises(IntegrationError) as refused:
        control.pause(batch)
    assert refused.value.code == "batch_state"
    control.resume(batch)
    work_through(batch)
    assert states(batch) == {"succeeded": 10}
    assert len(payouts(sandbox)) == 10
    actions = list(AuditEntry.objects.filter(action__startswith="payout_file.").order_by("pk"))
    assert [entry.action for entry in actions] == [
        "payout_file.opened", "payout_file.paused", "payout_file.resumed",
    ]  # fmt: skip


def test_a_row_that_is_in_hand_while_it_is_paused_waits(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    batch = batch_of(pay(text_of(2))[2])
    turn(batch)
    # As a worker that claimed the rows a moment before.
    PayoutBatch.objects.filter(pk=batch.pk).update(state=BatchState.PAUSED)
    run_work("payments")
    assert payouts(sandbox) == []
    assert states(batch) == {"created": 2}


def test_cancelled_what_is_sent_is_settled_and_the_rest_never_sent(
    paying: MpesaSettings, sandbox: SandboxDriver, work_through: Through
) -> None:
    paying.requests_per_second = 4
    paying.save()
    batch = batch_of(pay(text_of(10))[2])
    turn(batch)
    run_work("payments")
    turn(batch)
    control.cancel(batch, person("mary"))
    work_through(batch)
    assert states(batch) == {"succeeded": 4, "cancelled": 6}
    assert batch.state == BatchState.CANCELLED
    assert len(payouts(sandbox)) == 4


def test_the_same_phone_twice_needs_a_confirmation(paying: MpesaSettings) -> None:
    text = text_of(3) + f"{phone(1)},55,BONUS,Bonus,Person 1\n"
    success, _message, data = pay(text)
    assert (success, data["code"], data["repeat_count"]) == (False, "confirmation_needed", 1)
    [finding] = data["findings"]
    assert finding["name"] == "repeated_phones"
    assert "Line 5 pays 2547***001 again, as line 3 does." in finding["text"]
    assert not PayoutBatch.objects.exists()
    assert pay(text, confirm=["repeated_phones"])[0]


def test_the_same_file_twice_needs_a_confirmation(paying: MpesaSettings) -> None:
    first = batch_of(pay(text_of(3))[2])
    success, message, data = pay(text_of(3))
    assert (success, [each["name"] for each in data["findings"]]) == (False, ["same_file"])
    assert str(first.public_id) in message
    assert pay(text_of(3), confirm=["same_file"])[0]
    PayoutBatch.objects.update(state=BatchState.CANCELLED)
    assert pay(text_of(3))[0]


def test_the_same_key_is_one_file(paying: MpesaSettings) -> None:
    first = pay(text_of(3), idempotency_key="may")[2]
    again = pay(text_of(3), idempotency_key="may")[2]
    assert (again["batch_id"], again["repeated"]) == (first["batch_id"], True)
    success, _, data = pay(text_of(4), idempotency_key="may")
    assert (success, data["code"]) == (False, "idempotency_mismatch")
    assert PayoutBatch.objects.count() == 1
    assert Payment.objects.count() == 3


def test_two_at_once_with_the_same_key_are_one_file(paying: MpesaSettings) -> None:
    def give(_: int) -> Any:
        try:
            return pay(text_of(30), idempotency_key="may")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(give, range(2)))
    assert [success for success, _, _ in answers] == [True, True]
    assert len({data["batch_id"] for _, _, data in answers}) == 1
    assert Payment.objects.count() == 30


def test_a_file_joins_the_callers_transaction(paying: MpesaSettings) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert pay(text_of(600))[0]
        raise ZeroDivisionError
    assert not Payment.objects.exists()
    assert not PayoutBatch.objects.exists()
    assert not domain_events().exists()


def test_a_file_that_changes_while_it_is_read_leaves_nothing(
    paying: MpesaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from integrations.payments.batches import open as opening

    real = opening.read_rows
    monkeypatch.setattr(opening, "read_rows", lambda *a: iter(list(real(*a))[:-1]))
    success, _, data = pay(text_of(5))
    assert (success, data["code"]) == (False, "not_stored")
    assert not Payment.objects.exists()


def test_other_amounts_at_the_second_reading_leave_nothing(
    paying: MpesaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first reading decides whether somebody has to approve."""
    from integrations.payments.batches import open as opening

    real = opening.read_rows

    def read(file: Any, found: Any) -> Any:
        return real(file_of(text_of(5, amount=9000)), found)

    monkeypatch.setattr(opening, "read_rows", read)
    success, _, data = pay(text_of(5))
    assert (success, data["code"]) == (False, "not_stored")
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    ("field", "limit", "words"),
    [("payout_daily_limit", 1000, "this short code"), ("payee_daily_limit", 150, "for a phone")],
)
def test_limits_of_a_day_hold_for_the_whole_file(
    paying: MpesaSettings, field: str, limit: int, words: str
) -> None:
    assert pay(text_of(5))[0]
    setattr(paying, field, limit)
    paying.save()
    text = text_of(6, amount=101)
    success, message, data = pay(text)
    assert (success, data["code"]) == (False, "amount_over_daily_limit")
    assert words in message
    assert Payment.objects.count() == 5
    setattr(paying, field, 5000)
    paying.save()
    assert pay(text)[0]


def test_who_may_not_pay_out_may_not_give_a_file(paying: MpesaSettings) -> None:
    clerk = User.objects.create_user("clerk")
    success, _, data = pay(text_of(3), requested_by=clerk)
    assert (success, data["code"]) == (False, "not_permitted")
    batch = batch_of(pay(text_of(3))[2])
    for act in (control.pause, control.cancel, control.retry):
        with pytest.raises(IntegrationError) as refused:
            act(batch, clerk)
        assert refused.value.code == "not_permitted"


def test_failed_rows_are_paid_again_by_a_new_file(
    paying: MpesaSettings, sandbox: SandboxDriver, work_through: Through
) -> None:
    batch = batch_of(pay(text_of(6))[2])
    chosen = list(batch.rows.order_by("pk")[:3])
    for row in chosen[:2]:
        fail(row)
    fail(chosen[2], attention="Look at the statement")
    work_through(batch)
    made = control.retry(batch, person("mary"))
    assert (made.count, made.total, made.retry_of) == (
        2,
        chosen[0].amount + chosen[1].amount,
        batch,
    )
    rows = list(made.rows.order_by("pk"))
    assert [row.retry_of for row in rows] == chosen[:2]
    assert [row.phone for row in rows] == [row.phone for row in chosen[:2]]
    assert len({row.originator_id for row in (*rows, *chosen)}) == 5
    with pytest.raises(IntegrationError) as refused:
        control.retry(batch)
    assert refused.value.code == "nothing_to_retry"
    work_through(made)
    assert states(made) == {"succeeded": 2}


def fail(row: Payment, **changes: Any) -> None:
    Payment.objects.filter(pk=row.pk).update(
        state=S.FAILED, next_attempt_at=None, work_state="idle", result_code="2040", **changes
    )


@pytest.fixture
def failed(
    waiting: MpesaSettings, sandbox: SandboxDriver, work_through: Through
) -> tuple[PayoutBatch, Payment]:
    """A file that is over, and the row of it that failed; its amount needs approval."""
    waiting.approve_above = 99
    waiting.save()
    batch = batch_of(pay(text_of(2))[2])
    approvals.decide(Approval.objects.get(), person("ann"), approve=True)
    row = batch.rows.order_by("pk")[0]
    fail(row)
    work_through(batch)
    return batch, row


def approve_retry(batch: PayoutBatch) -> None:
    approval = approvals.open_approval_of(batch)
    assert approval is not None
    approvals.decide(approval, User.objects.get(username="ann"), approve=True)


@pytest.mark.parametrize(
    "changes", [{"state": S.SUCCEEDED}, {"finding": "paid"}, {"state": S.UNKNOWN}], ids=str
)
def test_what_was_paid_after_all_is_not_paid_again(
    failed: tuple[PayoutBatch, Payment], sandbox: SandboxDriver, work_through: Through,
    changes: dict[str, Any],
) -> None:  # fmt: skip
    batch, row = failed
    made = control.retry(batch, person("mary"))
    Payment.objects.filter(pk=row.pk).update(**changes)
    approve_retry(made)
    work_through(made)
    again = made.rows.get()
    assert (again.state, again.result_code) == ("failed", "paid_before")
    assert len(payouts(sandbox)) == 1


def test_what_pays_a_disputed_row_again_waits_for_people(
    failed: tuple[PayoutBatch, Payment], sandbox: SandboxDriver, work_through: Through
) -> None:
    batch, row = failed
    made = control.retry(batch, person("mary"))
    Payment.objects.filter(pk=row.pk).update(attention="M-Pesa says paid")
    approve_retry(made)
    for _ in range(2):
        turn(made)
        run_work("payments")
    assert states(made) == {"created": 1}
    Payment.objects.filter(pk=row.pk).update(attention="", finding="not_paid")
    make_due(made.rows.get())
    work_through(made)
    assert states(made) == {"succeeded": 1}


def test_the_whole_line_of_tries_must_be_unpaid(
    failed: tuple[PayoutBatch, Payment], sandbox: SandboxDriver, work_through: Through
) -> None:
    batch, row = failed
    second = control.retry(batch, person("mary"))
    fail(second.rows.get())
    approve_retry(second)
    work_through(second)
    third = control.retry(second, User.objects.get(username="mary"))
    Payment.objects.filter(pk=row.pk).update(state=S.SUCCEEDED)
    approve_retry(third)
    work_through(third)
    assert third.rows.get().result_code == "paid_before"
    assert len(payouts(sandbox)) == 1


def test_what_was_called_off_before_it_was_paid_again_is_still_owed(
    failed: tuple[PayoutBatch, Payment], sandbox: SandboxDriver, work_through: Through
) -> None:
    batch, row = failed
    first = control.retry(batch, person("mary"))
    approval = approvals.open_approval_of(first)
    assert approval is not None
    approvals.decide(
        approval, User.objects.get(username="ann"), approve=False, reason="Not this month"
    )
    work_through(first)
    second = control.retry(batch, User.objects.get(username="mary"))
    assert second.rows.get().retry_of == row
    approve_retry(second)
    # Of the tries for one debt, no other may have been paid.
    Payment.objects.filter(batch=first).update(state=S.SUCCEEDED)
    work_through(second)
    assert second.rows.get().result_code == "paid_before"
    assert len(payouts(sandbox)) == 1


def test_rows_of_the_other_environment_are_not_paid_again(
    failed: tuple[PayoutBatch, Payment],
) -> None:
    batch, _ = failed
    batch.rows.update(environment="production")
    PayoutBatch.objects.filter(pk=batch.pk).update(environment="production")
    batch.refresh_from_db()
    with pytest.raises(IntegrationError) as refused:
        control.retry(batch, person("mary"))
    assert refused.value.code == "environment_changed"
    assert PayoutBatch.objects.count() == 1


def test_the_limits_of_now_hold_for_what_is_paid_again(
    failed: tuple[PayoutBatch, Payment],
) -> None:
    settings = MpesaSettings.objects.get()
    settings.payout_maximum = 50
    settings.save()
    with pytest.raises(InvalidInput) as refused:
        control.retry(failed[0], person("mary"))
    assert refused.value.code == "amount_out_of_range"
    assert PayoutBatch.objects.count() == 1


@pytest.mark.parametrize("changes", [{"command": "SalaryPayment"}], ids=str)
def test_the_key_of_a_file_with_another_purpose_is_refused(
    paying: MpesaSettings, changes: dict[str, Any]
) -> None:
    assert pay(text_of(2), idempotency_key="k1")[0]
    success, _, data = pay(text_of(2), idempotency_key="k1", **changes)
    assert (success, data["code"]) == (False, "idempotency_mismatch")
    assert PayoutBatch.objects.count() == 1


def test_the_key_of_another_payment_does_not_matter(paying: MpesaSettings) -> None:
    with pytest.raises(InvalidInput):
        from integrations.payments.batches.open import BatchRequest, open_file
        from tests.payments.batches.conftest import file_of

        open_file(BatchRequest(file_of(text_of(1)), idempotency_key=" "))
