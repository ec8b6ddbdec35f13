"""Every endpoint and every admin page as the wrong business: nothing of the other one is there.

A new endpoint is walked by itself. One with a parameter that is not known here fails the walk, and
so does an admin page whose model has no row in `businesses.plant_business`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from rest_framework.test import APIClient

from integrations.api.hub_view import HubView
from integrations.models import (
    Approval,
    BusinessGrant,
    ExpectedPayment,
    KRABranch,
    KRACertificateRequest,
    KRAFiling,
    KRAImport,
    KRAInvoice,
    KRAItem,
    KRAPurchase,
    KRASettings,
    KRAWrite,
    MpesaQuery,
    MpesaSettings,
    Payment,
    PayoutBatch,
    StatementRun,
    WebhookEndpoint,
    WebhookEvent,
    WebhookReplay,
)
from tests.conftest import clear_shared
from tests.security import businesses
from tests.security.businesses import MARK, OURS, THEIRS, Rows, shows_the_mark

API = "/api/v1/integrations/"
# Models of admin pages whose rows belong to nobody's business.
NO_BUSINESS = {
    "Integrations",
    "AppSettings",
    "KeyRotation",
    "WorkQueue",
    "WorkList",
    "KRACode",
    "KRAItemClass",
}
# Apps of other people's, whose pages ask for rights that staff of a business don't have.
OTHER_APPS = {"auth", "axes", "sites", "contenttypes", "sessions", "django_celery_beat"}
PUSH = {"phone": "0712345678", "amount": 10, "account_reference": "INV001"}
BODIES: tuple[dict[str, Any], ...] = (
    {}, {"business": THEIRS}, {**PUSH, "business": THEIRS}, {"business": OURS, "shared": False},
    {"receipt": "UAE4X7K2QP", "business": THEIRS},
    {"invoice_number": "A-1", "issue_date": "2026-11-23", "business": THEIRS, "items": [{}]},
)  # fmt: skip
WEBHOOK_BODIES: tuple[dict[str, Any], ...] = (
    *BODIES,
    {"name": "a", "url": "https://93.184.215.14/", "business": THEIRS},
    {"name": "a", "url": "https://93.184.215.14/", "business": OURS, "every_business": True},
    {"dry_run": True, "status": "", "business": THEIRS},
)


@pytest.fixture
def rows(transactional_db: None) -> Rows:
    # Thousands of lines a page about template variables that are not set.
    logging.getLogger("django.template").setLevel(logging.INFO)
    return businesses.plant_business()


def parameters(rows: Rows) -> dict[str, str]:
    """What stands for the parameters of the API: the rows of the other business."""
    return {
        "pk": str(rows.of(MpesaSettings).pk),
        "public_id": str(rows.of(Payment).public_id),
        "batch_id": str(rows.of(PayoutBatch).public_id),
        "approval_id": str(rows.of(Approval).public_id),
        "query_id": str(rows.of(MpesaQuery).public_id),
        "statement_id": str(rows.of(StatementRun).public_id),
        "slug": "mpesa",
        "invoice_id": str(rows.of(KRAInvoice).public_id),
        "branch_id": str(rows.of(KRABranch).pk),
        "item_id": str(rows.of(KRAItem).pk),
        "purchase_id": str(rows.of(KRAPurchase).pk),
        "import_id": str(rows.of(KRAImport).pk),
        "report_id": str(rows.of(KRAWrite).public_id),
        "check": "invoice",
        "request_id": str(rows.of(KRACertificateRequest).pk),
        "filing_id": str(rows.of(KRAFiling).public_id),
        "expectation_id": str(rows.of(ExpectedPayment).public_id),
        "endpoint_id": str(rows.of(WebhookEndpoint).pk),
        "event_id": str(rows.of(WebhookEvent).pk),
        "replay_id": str(rows.of(WebhookReplay).public_id),
    }


def endpoints(rows: Rows) -> list[tuple[str, type[HubView]]]:
    """Every address of the API with its view; KeyError for a parameter that is not known."""
    found = []
    for pattern in get_resolver("integrations.urls").url_patterns:
        if getattr(pattern, "name", "") == "callback" or "<slug:route>" in str(pattern.pattern):
            continue  # For providers: answers nothing but "accepted".
        values = parameters(rows)
        address = re.sub(r"<(?:\w+:)?(\w+)>", lambda m, v=values: v[m[1]], str(pattern.pattern))
        view = pattern.callback.view_class
        assert issubclass(view, HubView), f"{address} must derive from HubView"
        found.append((API + address, view))
    return found


def api_clients() -> dict[str, APIClient]:
    session, token = APIClient(), APIClient()
    session.force_login(businesses.stranger())
    token.credentials(HTTP_AUTHORIZATION=f"Bearer {businesses.narrow_token()}")
    return {"session": session, "token": token}


def test_the_api_shows_and_changes_nothing_of_another_business(rows: Rows) -> None:
    before = rows.snapshot()
    for who, client in api_clients().items():
        for address, view in endpoints(rows):
            if view.costly:
                clear_shared()  # what is refused for coming too often would show nothing
            for method in view.rights:
                written = WEBHOOK_BODIES if "webhook" in address else BODIES
                bodies = (None,) if method == "GET" else written
                for query in ("", f"?business={THEIRS}"):
                    for body in bodies:
                        answer = client.generic(method, address + query, **_json(client, body))
                        told = f"{who} {method} {address}{query} {body}: {answer.status_code}"
                        assert answer.status_code != 500, told
                        assert not shows_the_mark(answer), told
                        if any(value in address for value in _ids(rows)):
                            assert answer.status_code in (403, 404, 400), told
    assert rows.snapshot() == before


def _json(client: APIClient, body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    data, content_type = client._encode_data(body, format="json")
    return {"data": data, "content_type": content_type}


def _ids(rows: Rows) -> list[str]:
    return [
        f"/{rows.of(MpesaSettings).pk}/",
        f"kra-settings/{rows.of(KRASettings).pk}/",
        f"kra/branches/{rows.of(KRABranch).pk}/",
        f"kra/items/{rows.of(KRAItem).pk}/",
        f"kra/purchases/{rows.of(KRAPurchase).pk}/",
        f"kra/imports/{rows.of(KRAImport).pk}/",
        str(rows.of(KRAWrite).public_id),
        str(rows.of(KRAInvoice).public_id),
        str(rows.of(KRAFiling).public_id),
        str(rows.of(Payment).public_id),
        str(rows.of(MpesaQuery).public_id),
        str(rows.of(Approval).public_id),
        str(rows.of(ExpectedPayment).public_id),
        str(rows.of(StatementRun).public_id),
        f"/webhook-endpoints/{rows.of(WebhookEndpoint).pk}/",
        f"/webhook-events/{rows.of(WebhookEvent).pk}/",
        str(rows.of(WebhookReplay).public_id),
    ]


def test_what_carries_every_business_is_for_those_who_see_all(transactional_db: None) -> None:
    businesses.plant_webhooks()
    row = businesses.everyones_endpoint()
    event = row.events.get()
    addresses = [
        f"{API}webhook-endpoints/", f"{API}webhook-endpoints/{row.pk}/",
        f"{API}webhook-endpoints/{row.pk}/attempts/", f"{API}webhook-events/",
        f"{API}webhook-events/{event.pk}/", f"{API}webhook-events/{event.pk}/attempts/",
        f"{API}webhook-events/?endpoint={row.pk}", f"{API}webhook-status/",
    ]  # fmt: skip
    installation = businesses.stranger()
    BusinessGrant.objects.filter(user=installation).update(business="")
    client = APIClient()
    client.force_login(installation)
    for address in addresses:
        assert not shows_the_mark(client.get(address)), address
    for body in WEBHOOK_BODIES:
        wish = {**body, "endpoint_id": row.pk, "event_type": "order.sent", "payload": {}}
        for address in (f"{API}webhook-events/", f"{API}webhook-events/replay/"):
            assert client.post(address, wish, format="json").status_code in (400, 403, 404)
    assert row.events.count() == 1
    client.force_login(User.objects.create_superuser("root"))
    assert all(shows_the_mark(client.get(each)) for each in addresses if "attempts" not in each)


def test_the_admin_shows_it_to_nobody_else_either(transactional_db: None) -> None:
    businesses.plant_webhooks()
    row = businesses.everyones_endpoint()
    event = row.events.get()
    replay = WebhookReplay.objects.create(
        endpoint=row, requested_by_name=MARK, total=1, next_attempt_at=None
    )
    base = "/admin/integrations"
    addresses = [
        f"{base}/webhookendpoint/", f"{base}/webhookendpoint/stuck/",
        f"{base}/webhookendpoint/{row.pk}/change/", f"{base}/webhookevent/",
        f"{base}/webhookevent/?endpoint={row.pk}", f"{base}/webhookevent/{event.pk}/change/",
        f"{base}/webhookreplay/", f"{base}/webhookreplay/{replay.pk}/change/",
        f"{base}/webhookreplay/start/?endpoint={row.pk}",
    ]  # fmt: skip
    installation = businesses.stranger()
    BusinessGrant.objects.filter(user=installation).update(business="")
    client = Client()
    client.force_login(installation)
    for address in ["/admin/", *addresses]:
        assert not shows_the_mark(client.get(address, follow=True)), address
    acts = [f"{base}/webhookendpoint/{row.pk}/{act}/" for act in ("test", "pause", "rotate")]
    acts += [f"{base}/webhookevent/{event.pk}/deliver/",
             f"{base}/webhookreplay/{replay.pk}/cancel/"]  # fmt: skip
    for address in acts:
        assert client.post(address, {"overlap_hours": "0"}).status_code in (403, 404), address
    exported = client.post(f"{base}/webhookevent/export/")
    assert exported.status_code == 200 and not shows_the_mark(exported)
    client.force_login(User.objects.create_superuser("root"))
    assert [each for each in addresses if not shows_the_mark(client.get(each))] == []


def test_the_walk_of_the_api_would_find_something(rows: Rows) -> None:
    client = APIClient()
    client.force_login(User.objects.create_superuser("root"))
    seen = [
        address
        for address, view in endpoints(rows)
        if "GET" in view.rights and shows_the_mark(client.get(address + f"?business={THEIRS}"))
    ]
    seen += [a for a, v in endpoints(rows) if "GET" in v.rights and shows_the_mark(client.get(a))]
    for part in (
        "/payments/",
        "/approvals/",
        "/payout-batches/",
        "/mpesa-settings/",
        "/current/",
        "/webhook-endpoints/",
        "/webhook-events/",
        "/webhook-status/",
        *_ids(rows),
    ):
        assert any(part in address for address in seen), part


def admin_addresses(rows: Rows) -> Iterator[tuple[type[Model] | None, str]]:
    """Every address of the admin; where a row is meant, the other business's."""
    for pattern in admin.site.urls[0]:
        yield from _below(pattern, "/admin/", rows)


def _below(pattern: Any, before: str, rows: Rows) -> Iterator[tuple[type[Model] | None, str]]:
    text = before + str(pattern.pattern).removeprefix("^").removesuffix("$")
    if isinstance(pattern, URLResolver):
        for each in pattern.url_patterns:
            yield from _below(each, text, rows)
    elif isinstance(pattern, URLPattern):
        model = _model_of(text)
        row = rows.by_model.get(model) if model else None
        ids = str(row.pk) if row is not None else "1"
        known = {
            "object_id": ids, "pk": ids, "id": ids, "app_label": "integrations",
            "content_type_id": "1", "url": "nowhere", "name": "payments", "kind": "nil_return",
        }  # fmt: skip
        address = re.sub(
            r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)", lambda m: known[m[1] or m[2]], text
        )
        yield model, address


def _model_of(address: str) -> type[Model] | None:
    parts = address.split("/")[2:4]
    by_name = {(m._meta.app_label, m._meta.model_name): m for m in admin.site._registry}
    return by_name.get((parts[0], parts[-1])) if len(parts) == 2 else None


def test_every_admin_page_has_a_row_to_hide(rows: Rows) -> None:
    missing = [
        model.__name__
        for model in admin.site._registry
        if model not in rows.by_model
        and model.__name__ not in NO_BUSINESS
        and model._meta.app_label not in OTHER_APPS
    ]
    assert missing == [], "plant a row of the other business for these"


def test_the_admin_shows_nothing_of_another_business(rows: Rows) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(businesses.stranger())
    before = rows.snapshot()
    shown, broken = [], []
    for _, address in admin_addresses(rows):
        if address.endswith("/logout/"):
            continue
        for answer in (client.get(address), client.post(address, {"post": "yes"})):
            if shows_the_mark(answer):
                shown.append(f"{answer.request['REQUEST_METHOD']} {address}")
            if answer.status_code >= 500:
                broken.append(address)
    assert (sorted(set(shown)), broken) == ([], [])
    assert rows.snapshot() == before


def test_no_admin_action_touches_another_business(rows: Rows) -> None:
    client = Client(raise_request_exception=False)
    user = businesses.stranger()
    client.force_login(user)
    before = rows.snapshot()
    request = RequestFactory().get("/admin/")
    request.user = user
    shown = []
    for model, row in rows.by_model.items():
        if model not in admin.site._registry:
            continue
        meta = model._meta
        address = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        for name in admin.site._registry[model].get_actions(request):
            data = {"action": name, "_selected_action": [str(row.pk)], "post": "yes"}
            answer = client.post(address, data, follow=True)
            assert answer.status_code < 500, (model, name)
            if shows_the_mark(answer):
                shown.append(f"{meta.label} {name}")
    assert shown == []
    assert rows.snapshot() == before


def test_the_walk_of_the_admin_would_find_something(rows: Rows) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("root"))
    rows_pages = [each for each in admin_addresses(rows) if each[0] is not None]
    seen = {model for model, address in rows_pages if shows_the_mark(client.get(address))}
    assert seen >= set(rows.by_model) & set(admin.site._registry)
    assert MARK in THEIRS
