"""Paying out through the service: asked once, sent once, answered honestly."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction

from integrations.models import AuditEntry, DomainEvent, MpesaSettings, Payment, acting
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, make_due, run_work
from tests.payments.results import payouts
from tests.sandbox.driver import SandboxDriver

pay_out = MpesaPaymentService.pay_out
enqueue = MpesaPaymentService.enqueue_payout


def user_with(*codenames: str) -> User:
    user = User.objects.create_user("clerk")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return User.objects.get(pk=user.pk)


def test_a_payout_is_sent_settled_and_told_of(
    paying: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    before = sum(sandbox.accounts("600999").values())
    success, message, data = pay_out(
        PHONE, 500, "REF001", remarks="Refund of INV001", occasion="refund"
    )
    assert (success, message) == (True, "Payout sent")
    payment = Payment.objects.get()
    assert data == {
        "payment_id": str(payment.public_id),
        "state": "pending",
        "retry_safe": False,
        "code": "",
        "originator_id": payment.originator_id,
        "conversation_id": payment.conversation_id,
        "receipt": "",
        "timestamp": data["timestamp"],
        "repeated": False,
    }
    settle()
    payment.refresh_from_db()
    (order,) = payouts(sandbox)
    assert (payment.state, payment.direction, payment.product) == ("succeeded", "out", "b2c")
    assert payment.receipt == order["receipt"]
    assert payment.originator_id == order["originator_id"]
    assert payment.party_name
    assert payment.paid_at is not None
    assert (order["remarks"], order["occasion"]) == ("Refund of INV001", "refund")
    assert before - sum(sandbox.accounts("600999").values()) == Decimal(500)
    told = DomainEvent.objects.get(event_type="payment.succeeded").payload
    assert (told["direction"], told["originator_id"]) == ("out", payment.originator_id)
    kinds = list(payment.events.values_list("kind", flat=True))
    assert kinds == ["created", "accepted", "result"]


def test_the_id_is_stored_before_anything_is_sent(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("lose_answer", operation="b2c")
    sandbox.fault("no_callback", operation="b2c")
    success, _, data = pay_out(PHONE, 500, "REF001")
    payment = Payment.objects.get()
    assert (success, data["state"], data["retry_safe"]) == (False, "unknown", False)
    assert payment.originator_id == payouts(sandbox)[0]["originator_id"]


def test_a_queued_payout_is_sent_once_after_the_commit(
    paying: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert enqueue(PHONE, 500, "REF001")[0]
        1 / 0  # noqa: B018
    run_work("payments")
    assert payouts(sandbox) == []
    with transaction.atomic():
        success, message, data = enqueue(PHONE, 500, "REF001")
        assert (success, message, data["state"]) == (True, "Payout queued", "created")
    run_work("payments")
    run_work("payments")
    settle()
    assert Payment.objects.get().state == "succeeded"
    assert len(payouts(sandbox)) == 1


def test_a_payout_inside_a_transaction_is_refused_and_leaves_nothing(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    with transaction.atomic():
        success, message, data = pay_out(PHONE, 500, "REF001")
    assert (success, data["code"]) == (False, "open_transaction")
    assert "enqueue_payout" in message
    assert not Payment.objects.exists()
    assert payouts(sandbox) == []


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({"phone": "0812345678"}, "phone", None),
        ({"amount": "100.50"}, "amount", None),
        ({"amount": 9}, "amount", "amount_out_of_range"),
        ({"amount": 250_001}, "amount", "amount_out_of_range"),
        ({"amount": -500}, "amount", None),
        ({"reference": ""}, "reference", "invalid_reference"),
        ({"reference": "x" * 65}, "reference", "invalid_reference"),
        ({"reference": "a\nb"}, "reference", "invalid_reference"),
        ({"reference": None}, "reference", "invalid_reference"),
        ({"command": "BusinessPayBill"}, "command", "invalid_command"),
        ({"remarks": "x"}, "remarks", "invalid_remarks"),
        ({"remarks": "x" * 101}, "remarks", "invalid_remarks"),
        ({"occasion": "x" * 101}, "occasion", "invalid_occasion"),
        ({"idempotency_key": ""}, "idempotency_key", None),
        ({"short_code": "600111"}, None, "unknown_account"),
        ({"business": "nobody"}, None, "unknown_business"),
    ],
    ids=str,
)
def test_bad_input_is_named_and_nothing_is_stored(
    paying: MpesaSettings,
    sandbox: SandboxDriver,
    values: dict[str, Any],
    field: str | None,
    code: str | None,
) -> None:
    for ask in (pay_out, enqueue):
        success, message, data = ask(
            **{"phone": PHONE, "amount": 500, "reference": "REF001", **values}
        )
        assert (success, data["state"], data["retry_safe"]) == (False, "refused", True)
        assert message
        assert field is None or data["field"] == field
        assert code is None or data["code"] == code
    assert not Payment.objects.exists()
    assert payouts(sandbox) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"initiator_name": ""}, "no_initiator"),
        ({"initiator_password": ""}, "no_credential"),
        ({"certificate": ""}, "no_certificate"),
    ],
    ids=str,
)
def test_settings_that_lack_the_initiator_are_told_before_anything_is_stored(
    paying: MpesaSettings, sandbox: SandboxDriver, changes: dict[str, Any], code: str
) -> None:
    for name, value in changes.items():
        setattr(paying, name, value)
    paying.save()
    for ask in (pay_out, enqueue):
        success, _, data = ask(PHONE, 500, "REF001")
        assert (success, data["code"]) == (False, code)
    assert not Payment.objects.exists()


def test_a_repeated_key_answers_for_the_first_payout_and_pays_once(
    paying: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    first = pay_out(PHONE, 500, "REF001", idempotency_key="k1")[2]
    settle()
    success, _, again = pay_out("+254 712 345678", "500", "REF001", idempotency_key="k1")
    assert success
    assert (again["payment_id"], again["repeated"]) == (first["payment_id"], True)
    assert again["state"] == "succeeded"
    assert len(payouts(sandbox)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 501},
        {"phone": "0712345679"},
        {"reference": "REF002"},
        {"command": "SalaryPayment"},
        {"remarks": "Another"},
        {"occasion": "another"},
    ],
    ids=str,
)
def test_a_key_that_belongs_to_another_request_is_refused(
    paying: MpesaSettings, sandbox: SandboxDriver, changes: dict[str, Any]
) -> None:
    values = {"phone": PHONE, "amount": 500, "reference": "REF001", "idempotency_key": "k1"}
    first = pay_out(**values)[2]
    success, _, data = pay_out(**{**values, **changes})
    assert (success, data["code"]) == (False, "idempotency_mismatch")
    assert (data["payment_id"], data["retry_safe"]) == (first["payment_id"], False)
    assert len(payouts(sandbox)) == 1


def test_a_key_of_a_push_is_none_of_a_payout_s(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    MpesaPaymentService.initiate_stk_push(PHONE, 500, "REF001", idempotency_key="k1")
    assert pay_out(PHONE, 500, "REF001", idempotency_key="k1")[2]["code"] == "idempotency_mismatch"
    assert payouts(sandbox) == []


def test_whoever_is_named_needs_the_permission(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    for ask in (pay_out, enqueue):
        success, _, data = ask(PHONE, 500, "REF001", requested_by=user_with("push_payment"))
        assert (success, data["code"]) == (False, "not_permitted")
        User.objects.all().delete()
    assert not Payment.objects.exists()
    clerk = user_with("payout_payment")
    with acting(clerk):
        assert pay_out(PHONE, 500, "REF001", requested_by=clerk)[0]
    entry = AuditEntry.objects.get(action="payment.payout")
    assert entry.actor == clerk


def test_whoever_is_named_needs_access_to_the_business(
    paying: MpesaSettings, sandbox: SandboxDriver
) -> None:
    paying.shared = True
    paying.save()
    clerk = user_with("payout_payment")
    success, _, data = pay_out(PHONE, 500, "REF001", business="b1", requested_by=clerk)
    assert (success, data["code"]) == (False, "not_permitted")
    assert payouts(sandbox) == []


def test_daily_limits_hold_and_what_failed_does_not_count(
    paying: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    paying.payout_daily_limit = 1000
    paying.save()
    sandbox.scenario("1", operation="b2c")
    assert pay_out(PHONE, 700, "REF001")[0]
    success, message, data = pay_out(PHONE, 700, "REF002")
    assert (success, data["code"], data["field"]) == (False, "amount_over_daily_limit", "amount")
    assert "1,000" in message
    settle()
    assert Payment.objects.get().state == "failed"
    assert pay_out(PHONE, 700, "REF002")[0]
    assert len(payouts(sandbox)) == 2


def test_a_payout_that_nobody_could_send_for_a_day_is_not_sent(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    enqueue(PHONE, 500, "REF001")
    payment = Payment.objects.get()
    settings.INTEGRATIONS_PAYOUT_WAIT_SECONDS = 0.0
    make_due(payment)
    run_work("payments")
    payment.refresh_from_db()
    assert (payment.state, payment.result_code) == ("failed", "too_old")
    assert payouts(sandbox) == []


def test_a_payout_outlives_the_patience_of_prompts(
    paying: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.INTEGRATIONS_ENQUEUED_SECONDS = 0.0
    enqueue(PHONE, 500, "REF001")
    run_work("payments")
    assert len(payouts(sandbox)) == 1
