"""Calls, callbacks, events and the trail, seen by people of one business."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone

from integrations.models import (
    AuditEntry,
    CallbackStatus,
    DomainEvent,
    InboundCallback,
    Payment,
    ProviderCall,
)

BASE = "/admin/integrations"
MODELS = ("providercall", "inboundcallback", "domainevent", "auditentry")


def of(business: str) -> dict[str, Any]:
    """A row of each kind, of this business, each marked MARK-<business>."""
    mark = f"MARK-{business}"
    digest = business.rjust(64, "0")
    Payment.objects.create(
        provider="mpesa", product="stk_push", environment="sandbox", amount=1, business=business,
        callback_digest=digest,
    )  # fmt: skip
    return {
        "providercall": ProviderCall.objects.create(
            provider="mpesa", operation="stk_push", outcome="ok", latency_ms=1, reference=mark,
            business=business, created_at=timezone.now(),
        ),
        "inboundcallback": InboundCallback.objects.create(
            route="stk", body="{}", token_digest=digest, reference=mark, business=business,
            status=CallbackStatus.QUARANTINED,
        ),
        "domainevent": DomainEvent.objects.create(event_type=mark, payload={}, business=business),
        "auditentry": AuditEntry.objects.record("settings.changed", business=business, detail=mark),
    }  # fmt: skip


@pytest.fixture
def both(db: None) -> dict[str, Any]:
    """Rows of two businesses; those of "theirs" are handed out."""
    of("mine")
    return of("theirs")


@pytest.mark.parametrize("model", MODELS)
def test_a_list_shows_ones_own_businesses_alone(
    both: dict[str, Any], client_of: Callable[..., Client], admin_client: Client, model: str
) -> None:
    url = f"{BASE}/{model}/"
    html = client_of(f"view_{model}", businesses=("mine",)).get(url).content.decode()
    assert "MARK-mine" in html
    assert "MARK-theirs" not in html
    everything = client_of(f"view_{model}", businesses=("*",)).get(url).content.decode()
    for client_html in (everything, admin_client.get(url).content.decode()):
        assert "MARK-mine" in client_html
        assert "MARK-theirs" in client_html


@pytest.mark.parametrize("model", MODELS)
def test_a_row_of_another_business_does_not_exist(
    both: dict[str, Any], client_of: Callable[..., Client], model: str
) -> None:
    client = client_of(f"view_{model}", businesses=("mine",))
    for page in ("change", "history"):
        response = client.get(f"{BASE}/{model}/{both[model].pk}/{page}/", follow=True)
        assert "MARK-theirs" not in response.content.decode()
    assert "MARK-theirs" not in client.get(f"{BASE}/{model}/?q=MARK").content.decode()
    assert client_of(businesses=("theirs",)).get(f"{BASE}/{model}/").status_code == 403


@pytest.mark.parametrize("model", [ProviderCall, InboundCallback, DomainEvent, AuditEntry])
def test_a_list_finds_the_rows_of_a_business_by_index(
    db: None, rf: RequestFactory, client_of: Callable[..., Client], model: type[Any]
) -> None:
    client_of(businesses=("mine",))
    request = rf.get("/")
    request.user = User.objects.get()
    rows = admin.site.get_model_admin(model).get_queryset(request).order_by("-pk")[:25]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # An empty table is otherwise read whole.
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
    plan = rows.explain()
    [name] = [each.name for each in model._meta.indexes if each.fields == ["business", "-id"]]
    assert name in plan, plan


def test_a_callback_to_no_payment_is_for_people_who_see_everything(
    db: None, client_of: Callable[..., Client]
) -> None:
    InboundCallback.objects.create(
        route="stk", body="{}", reference="STRANGER", status=CallbackStatus.QUARANTINED
    )
    # Payments without an address must not be taken for its receiver.
    Payment.objects.create(provider="mpesa", product="stk_push", environment="sandbox", amount=1)
    url = f"{BASE}/inboundcallback/?status__exact=quarantined"
    for businesses, is_seen in (((), False), (("b1",), False), (("*",), True)):
        html = client_of("view_inboundcallback", businesses=businesses).get(url).content.decode()
        assert ("STRANGER" in html) is is_seen
