"""Payments, callbacks, calls and the trail: read-only, searchable, hostile text escaped."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from integrations.crypto import MASK
from integrations.models import (
    AuditEntry,
    CallbackStatus,
    DomainEvent,
    InboundCallback,
    Integrations,
    Payment,
    PaymentEvent,
    PaymentState,
    ProviderCall,
    acting,
)

BASE = "/admin/integrations"
HOSTILE = "<script>alert(1)</script>"
READ_ONLY = ("payment", "inboundcallback", "providercall", "auditentry", "domainevent")
# One page each, without rows to open or add.
WITHOUT_ROWS = ("keyrotation", "workqueue")
# Made by the product, or through pages of their own.
NEVER_ADDED = (
    "accountbalance", "allotment", "approval", "c2bregistration", "expectedpayment",
    "initiatoralarm", "mpesaquery", "krabranch", "krainvoice",
    "kracode", "kracursor", "kraimport", "kraitem", "kraitemclass", "krapurchase", "krarecord",
    "krawrite", "kracompliancecheck", "kracertificaterequest", "krafiling",
    "payoutbatch", "pullaccount", "statementitem", "statementline", "statementrun", "worklist",
    "webhookevent", "webhookreplay",
)  # fmt: skip


@pytest.fixture
def payment(db: None) -> Payment:
    made = Payment.objects.create(
        provider="mpesa", product="stk_push", environment="production", amount=Decimal("1000.00"),
        phone="254712345678", account_reference=HOSTILE, receipt="TJI123ABC9",
        checkout_id="ws_CO_1", state=PaymentState.SUCCEEDED, business="duka",
    )  # fmt: skip
    for kind, text in (("created", "KES 1,000."), ("callback", HOSTILE)):
        PaymentEvent.objects.create(
            payment=made, kind=kind, text=text, from_state="pending", to_state="succeeded",
            data={"code": HOSTILE},
        )  # fmt: skip
    return made


@pytest.fixture
def everything(payment: Payment) -> dict[str, Any]:
    """A row of each kind, with hostile text where outsiders can put text."""
    return {
        "payment": payment,
        "inboundcallback": InboundCallback.objects.create(
            route="stk", reason=HOSTILE, doubts=[HOSTILE], headers={"User-Agent": HOSTILE},
            body="a-private-body", body_bytes=14, status=CallbackStatus.QUARANTINED,
        ),
        "providercall": ProviderCall.objects.create(
            provider="mpesa", operation="stk_push", outcome="ok", latency_ms=12,
            provider_request_id=HOSTILE, error_code=HOSTILE, created_at=timezone.now(),
        ),
        "auditentry": AuditEntry.objects.record("settings.changed", fields=["passkey"],
                                                detail=HOSTILE),
        "domainevent": DomainEvent.objects.create(event_type="payment.succeeded",
                                                  payload={"text": HOSTILE}),
    }  # fmt: skip


def found(client: Client, query: str) -> int:
    """How many payments the list shows for a query string."""
    response = client.get(f"{BASE}/payment/?{query}")
    assert response.status_code == 200
    return len(response.context["cl"].result_list)


@pytest.mark.parametrize("model", READ_ONLY)
def test_the_pages_show_and_escape(
    everything: dict[str, Any], admin_client: Client, model: str
) -> None:
    for url in (f"{BASE}/{model}/", f"{BASE}/{model}/{everything[model].pk}/change/"):
        html = admin_client.get(url).content.decode()
        assert HOSTILE not in html
        assert "_save" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("model", READ_ONLY)
def test_nobody_can_add_change_or_delete(
    everything: dict[str, Any], admin_client: Client, model: str
) -> None:
    row = f"{BASE}/{model}/{everything[model].pk}"
    for url in (f"{BASE}/{model}/add/", f"{row}/change/", f"{row}/delete/"):
        assert admin_client.post(url, {"post": "yes"}).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": [everything[model].pk], "post": "yes"}
    admin_client.post(f"{BASE}/{model}/", bulk)
    assert type(everything[model]).objects.filter(pk=everything[model].pk).exists()


def test_every_list_and_form_of_the_admin_opens(
    everything: dict[str, Any], admin_client: Client
) -> None:
    models = [model for model in admin.site._registry if model._meta.app_label == "integrations"]
    assert {model._meta.model_name for model in models} == {
        *READ_ONLY, *WITHOUT_ROWS, *NEVER_ADDED, "integrations", "appsettings", "mpesasettings",
        "krasettings",
        "apitoken", "businessgrant", "webhookendpoint",
    }  # fmt: skip
    for model in models:
        url = f"{BASE}/{model._meta.model_name}/"
        assert admin_client.get(url).status_code == 200
        if model._meta.model_name not in (*READ_ONLY, *WITHOUT_ROWS, *NEVER_ADDED):
            assert admin_client.get(f"{url}add/").status_code == 200


def test_a_payment_shows_its_history_in_order(payment: Payment, admin_client: Client) -> None:
    html = admin_client.get(f"{BASE}/payment/{payment.pk}/change/").content.decode()
    assert html.index("KES 1,000.") < html.index("&lt;script&gt;alert(1)&lt;/script&gt;</p>")
    assert "pending → succeeded" in html
    assert '<span class="badge badge-good">Succeeded</span>' in html
    assert '<span class="badge badge-live">PRODUCTION</span>' in html


def test_whoever_may_see_a_payment_sees_its_history(
    payment: Payment, client_of: Callable[..., Client]
) -> None:
    viewer = client_of("view_payment", businesses=("duka",))
    html = viewer.get(f"{BASE}/payment/{payment.pk}/change/").content.decode()
    assert "pending → succeeded" in html
    assert client_of().get(f"{BASE}/payment/").status_code == 403


@pytest.mark.parametrize(
    "term",
    ["0712 345 678", "+254712345678", "712345678", "tji123abc9", "<scr", "ws_CO_1"],
)
def test_a_payment_is_found_by_what_people_have_at_hand(
    payment: Payment, admin_client: Client, term: str
) -> None:
    Payment.objects.create(provider="mpesa", product="stk_push", environment="sandbox", amount=1)
    assert found(admin_client, f"q={term.replace('+', '%2B')}") == 1
    assert found(admin_client, f"q={payment.public_id}") == 1
    assert found(admin_client, "q=0799999999") == 0


def test_payments_are_filtered_by_state_environment_business_and_attention(
    payment: Payment, admin_client: Client
) -> None:
    Payment.objects.create(
        provider="mpesa", product="stk_push", environment="sandbox", amount=1,
        state=PaymentState.UNKNOWN, attention="Ask the payer.",
    )  # fmt: skip
    assert found(admin_client, "") == 2
    for query in ("state__exact=unknown", "environment__exact=sandbox", "attention=yes"):
        assert found(admin_client, query) == 1
    assert found(admin_client, "business=duka") == 1


def test_the_body_of_a_callback_is_not_shown(
    everything: dict[str, Any], admin_client: Client
) -> None:
    row = everything["inboundcallback"]
    html = admin_client.get(f"{BASE}/inboundcallback/{row.pk}/change/").content.decode()
    assert "a-private-body" not in html
    assert row.body.token[:20] not in html
    assert MASK not in html
    assert '<span class="badge badge-bad">Quarantined</span>' in html


def test_an_entry_outlives_the_account_it_names(db: None, admin_client: Client) -> None:
    user = User.objects.create_user("gone")
    with acting(user):
        entry = AuditEntry.objects.record("settings.changed")
    user.delete()
    html = admin_client.get(f"{BASE}/auditentry/{entry.pk}/change/").content.decode()
    assert "gone" in html


def test_switching_an_integration_off_is_audited(db: None, admin_client: Client) -> None:
    link = Integrations.objects.create(name="MPESA")
    values = {"name": "MPESA", "integration_type": "PAYMENT"}
    url = f"{BASE}/integrations/{link.pk}/change/"
    assert admin_client.post(url, values).status_code == 302
    link.refresh_from_db()
    assert link.is_active is False
    entry = AuditEntry.objects.filter(action="integration.changed").get()
    assert (entry.actor_name, entry.fields) == ("admin", ["is_active"])
