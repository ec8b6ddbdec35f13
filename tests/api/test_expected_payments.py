"""Expected payments, matching and C2B over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from integrations.models import Allotment, C2BRegistration, ExpectedPayment, MpesaSettings, Payment
from integrations.payments import ledger
from tests.sandbox.driver import SandboxDriver

API = "/api/v1/integrations"
EXPECTED = f"{API}/expected-payments/"


@pytest.fixture
def client(transactional_db: None) -> APIClient:
    if not MpesaSettings.objects.exists():
        MpesaSettings.objects.create(short_code="174379")
    client = APIClient()
    client.force_login(User.objects.create_superuser("root"))
    return client


def received(number: int = 1, **changes: Any) -> Payment:
    values = {
        "provider": "mpesa", "product": "c2b", "environment": "sandbox", "amount": Decimal(1000),
        "account_reference": "rent <b>", "receipt": f"UAE4X7K{number:03}", "short_code": "174379",
        **changes,
    }  # fmt: skip
    return ledger.receive(values, kind="c2b_confirmation", text="Paid.", data={})


def test_a_payment_is_expected_read_and_cancelled(client: APIClient) -> None:
    body = {"reference": "INV-1", "amount": "1500.50", "phone": "0712345678"}
    made = client.post(EXPECTED, body, format="json", HTTP_IDEMPOTENCY_KEY="a")
    assert made.status_code == 201
    again = client.post(EXPECTED, body, format="json", HTTP_IDEMPOTENCY_KEY="a")
    assert (again.status_code, again.json()) == (200, made.json())
    other = client.post(EXPECTED, {**body, "amount": 1}, format="json", HTTP_IDEMPOTENCY_KEY="a")
    assert other.status_code == 409
    found = made.json()
    assert (found["amount"], found["outstanding"], found["state"]) == (
        "1500.50", "1500.50", "open",
    )  # fmt: skip
    one = f"{EXPECTED}{found['expectation_id']}/"
    assert client.get(one).json() == found
    cancelled = client.post(f"{one}cancel/")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert ExpectedPayment.objects.count() == 1


@pytest.mark.parametrize("body", [
    {}, {"reference": "x"}, {"reference": "x", "amount": "1.001"}, {"reference": "-", "amount": 1},
    {"reference": "x", "amount": 0}, {"reference": "x", "amount": 1, "phone": "12"},
    {"reference": "x", "amount": 1, "expires_at": "soon"}, {"reference": "x", "amount": 1, "y": 1},
])  # fmt: skip
def test_what_can_t_be_expected_is_refused(client: APIClient, body: Any) -> None:
    assert client.post(EXPECTED, body, format="json").status_code == 400
    assert not ExpectedPayment.objects.exists()


def test_lists_are_filtered(client: APIClient) -> None:
    client.post(EXPECTED, {"reference": "INV-1", "amount": 5}, format="json")
    received(1)
    received(2, account_reference="inv1", amount=Decimal(5))
    assert [row["reference"] for row in client.get(f"{EXPECTED}?state=paid").json()["results"]] == [
        "INV-1"
    ]
    assert client.get(f"{EXPECTED}?state=open").json()["results"] == []
    assert len(client.get(f"{EXPECTED}?reference=inv%201").json()["results"]) == 1
    receipts = client.get(f"{API}/receipts/?status=unmatched").json()["results"]
    assert [row["receipt"] for row in receipts] == ["UAE4X7K001"]
    assert client.get(f"{API}/receipts/?stat=x").status_code == 400


def test_a_payment_is_matched_or_left_on_account(client: APIClient) -> None:
    made = client.post(EXPECTED, {"reference": "INV-1", "amount": 1000}, format="json").json()
    payment = received()
    match = f"{API}/payments/{payment.public_id}/match/"
    answer = client.post(match, {"expectation_id": made["expectation_id"]}, format="json")
    assert (answer.status_code, answer.json()["how"]) == (200, "hand")
    assert client.get(f"{EXPECTED}{made['expectation_id']}/").json()["state"] == "paid"
    answer = client.post(match, {"note": "Deposit"}, format="json")
    assert answer.json()["status"] == "on_account"
    assert Allotment.objects.get().note == "Deposit"
    for body in ({}, {"note": "x", "expectation_id": made["expectation_id"]}, {"note": "x"}):
        assert client.post(match, body, format="json").status_code == 400
    nobody = "5f0e6b0e-0000-4000-8000-000000000000"
    assert client.post(match, {"expectation_id": nobody}, format="json").status_code == 404
    assert (
        client.post(f"{API}/payments/{nobody}/match/", {"note": "abc"}, format="json").status_code
        == 404
    )


def test_addresses_are_registered_and_not_told(
    mpesa: MpesaSettings, client: APIClient, sandbox: SandboxDriver, settle: Callable[[], None]
) -> None:
    answer = client.post(f"{API}/c2b/register/", {}, format="json")
    assert answer.status_code == 201, answer.content
    [told] = sandbox.book()["registrations"]
    token = told["confirmation_url"].rstrip("/").rsplit("/", 1)[1]
    assert token not in answer.content.decode()
    body = {"phone": "0712345678", "amount": 150, "bill_ref": "INV-1"}
    assert client.post(f"{API}/c2b/simulate/", body, format="json").status_code == 202
    settle()
    assert Payment.objects.get().product == "c2b"


def test_who_may_not_gets_nothing(transactional_db: None) -> None:
    client = APIClient()
    client.force_login(User.objects.create_user("clerk"))
    payment = received()
    for method, path in (
        ("get", EXPECTED), ("post", EXPECTED), ("get", f"{API}/receipts/"),
        ("post", f"{API}/payments/{payment.public_id}/match/"),
        ("post", f"{API}/c2b/register/"), ("post", f"{API}/c2b/simulate/"),
    ):  # fmt: skip
        assert getattr(client, method)(path, {}, format="json").status_code == 403, path
    assert not C2BRegistration.objects.exists()
