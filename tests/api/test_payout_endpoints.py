"""Paying out and reversing over HTTP: rights, keys, true statuses, and people who approve."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from integrations.models import Approval, AuditEntry, MpesaSettings, Payment
from integrations.models import PaymentState as S
from tests.api.conftest import logged_in, user_with, with_token
from tests.payments.results import payouts
from tests.sandbox.driver import SandboxDriver

PAYOUTS = "/api/v1/integrations/payments/payouts/"
BODY = {"phone": "0712345678", "amount": "1500", "reference": "SAL-11"}
RIGHTS = ("view_payment", "payout_payment", "reverse_payment")


@pytest.fixture
def clerk(transactional_db: None) -> User:
    return user_with(*RIGHTS)


@pytest.fixture
def api(clerk: User) -> APIClient:
    return with_token(clerk, "payouts:write", "payments:read")


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_payout_is_taken(paying: MpesaSettings, api: APIClient, sandbox: SandboxDriver) -> None:
    answer = api.post(PAYOUTS, {**BODY, "command": "SalaryPayment", "remarks": "May"})
    assert answer.status_code == 201, answer.content
    found = answer.json()
    payment = Payment.objects.get()
    assert (found["success"], found["state"]) == (True, "pending")
    assert found["payment_id"] == str(payment.public_id)
    assert found["originator_id"] == payment.originator_id
    [order] = payouts(sandbox)
    assert (order["remarks"], payment.transaction_type) == ("May", "SalaryPayment")
    entry = AuditEntry.objects.get(action="payment.payout")
    assert "API token ERP" in entry.actor_name


def test_the_key_is_one_payout(
    paying: MpesaSettings, api: APIClient, sandbox: SandboxDriver
) -> None:
    first = api.post(PAYOUTS, BODY, headers={"Idempotency-Key": "may-11"})
    again = api.post(PAYOUTS, {**BODY, "idempotency_key": "may-11"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["repeated"] is True
    assert again.json()["payment_id"] == first.json()["payment_id"]
    other = api.post(PAYOUTS, {**BODY, "amount": 20}, headers={"Idempotency-Key": "may-11"})
    assert code(other) == (409, "idempotency_mismatch")
    assert len(payouts(sandbox)) == 1


def test_above_the_limit_it_waits_for_somebody_else(
    paying: MpesaSettings, api: APIClient, clerk: User, sandbox: SandboxDriver
) -> None:
    paying.approve_above = 1000
    paying.save()
    answer = api.post(PAYOUTS, BODY)
    assert (answer.status_code, answer.json()["state"]) == (202, "awaiting_approval")
    assert answer.json()["success"] is True
    assert "second person" in answer.json()["message"]
    approval = Approval.objects.get()
    assert approval.requested_by == clerk
    # The person whose token asked can't approve, in a session either.
    clerk.user_permissions.add(*_rights("approve_payout", "view_approval"))
    address = f"/api/v1/integrations/approvals/{approval.public_id}/approve/"
    assert code(logged_in(User.objects.get(pk=clerk.pk)).post(address)) == (403, "approval_own")
    boss = user_with("approve_payout", "view_approval")
    assert logged_in(boss).post(address).status_code == 200
    assert Payment.objects.get().state == S.CREATED
    assert payouts(sandbox) == []


def _rights(*names: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=names)


def test_a_lost_answer_is_not_known(
    paying: MpesaSettings, api: APIClient, sandbox: SandboxDriver
) -> None:
    sandbox.fault("lose_answer", operation="b2c")
    answer = api.post(PAYOUTS, BODY)
    assert (answer.status_code, answer.json()["state"]) == (202, "unknown")
    assert (answer.json()["success"], answer.json()["retry_safe"]) == (False, False)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"phone": "12"}, "phone"), ({"amount": "10.50"}, "amount"), ({"amount": "5"}, "amount"),
     ({"reference": ""}, "reference"), ({"command": "Other"}, "command"),
     ({"remarks": "x"}, "remarks"), ({"short_code": "123456"}, None), ({"sum": 5}, "sum")],
)  # fmt: skip
def test_bad_input_is_refused_at_its_field(
    paying: MpesaSettings, api: APIClient, sandbox: SandboxDriver, change: Any, field: str | None
) -> None:
    answer = api.post(PAYOUTS, {**BODY, **change})
    assert answer.status_code in ((400,) if field else (400, 503))
    assert answer.json()["error"].get("field") == field
    assert not Payment.objects.exists() and payouts(sandbox) == []


def test_scope_and_permission_are_needed(paying: MpesaSettings, clerk: User) -> None:
    pushing = with_token(clerk, "payments:write", "payments:read")
    assert code(pushing.post(PAYOUTS, BODY)) == (403, "permission_denied")
    lesser = with_token(user_with("view_payment", "push_payment"), "payouts:write")
    assert code(lesser.post(PAYOUTS, BODY)) == (403, "permission_denied")
    assert APIClient().post(PAYOUTS, BODY).status_code == 401
    assert not Payment.objects.exists()


def test_another_business_is_refused(paying: MpesaSettings) -> None:
    api = with_token(user_with(*RIGHTS, businesses=("b2",)), "payouts:write")
    assert code(api.post(PAYOUTS, {**BODY, "business": ""})) == (403, "business_not_allowed")
    assert not Payment.objects.exists()


@pytest.fixture
def paid(paying: MpesaSettings, sandbox: SandboxDriver) -> Payment:
    sandbox.simulate_c2b(1000, "INV-1", phone="254712345678")
    sandbox.settle()
    [found] = [each for each in sandbox.book()["c2b"] if each["receipt"]]
    return Payment.objects.create(
        provider="mpesa", product="c2b", direction="in", environment="sandbox", amount=1000,
        state=S.SUCCEEDED, phone="254712345678", receipt=found["receipt"], next_attempt_at=None,
        short_code="600999", account_reference="INV-1",
    )  # fmt: skip


def reversals_of(payment: Payment) -> str:
    return f"/api/v1/integrations/payments/{payment.public_id}/reversals/"


def test_a_payment_is_reversed_in_part_and_then_whole(paid: Payment, api: APIClient) -> None:
    address = reversals_of(paid)
    part = api.post(address, {"amount": 400, "remarks": "Returned"})
    assert part.status_code == 201, part.content
    over = api.post(address, {"amount": 601, "remarks": "Returned"})
    assert code(over) == (400, "amount_over_original")
    rest = api.post(address, {"remarks": "Returned"}, headers={"Idempotency-Key": "r2"})
    assert rest.status_code == 201
    again = api.post(address, {"remarks": "Returned"}, headers={"Idempotency-Key": "r2"})
    assert (again.status_code, again.json()["payment_id"]) == (200, rest.json()["payment_id"])
    amounts = Payment.objects.filter(original=paid).order_by("pk").values_list("amount", flat=True)
    assert list(amounts) == [400, 600]
    nothing = api.post(address, {"remarks": "Returned"})
    assert code(nothing) == (400, "amount_over_original")


def test_strangers_reverse_nothing(paid: Payment) -> None:
    stranger = with_token(user_with(*RIGHTS, businesses=("b2",)), "payouts:write")
    assert stranger.post(reversals_of(paid), {"remarks": "Mine"}).status_code == 404
    looker = with_token(user_with("view_payment", "payout_payment", businesses=("",)),
                        "payouts:write")  # fmt: skip
    assert code(looker.post(reversals_of(paid), {"remarks": "Mine"})) == (403, "permission_denied")
    assert not Payment.objects.filter(product="reversal").exists()
