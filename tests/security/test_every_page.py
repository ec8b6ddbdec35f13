"""Every address that answers a GET, with planted secrets in every table: none shows one.

The addresses are those of the URL configuration, so a page that is added later (`/metrics`, for
one) is searched without a change here, unless its address has a parameter that is not known yet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from integrations.models import (
    ApiToken,
    Approval,
    AppSettings,
    BusinessGrant,
    ExpectedPayment,
    KeyRotation,
    KRABranch,
    KRACertificateRequest,
    KRACode,
    KRAFiling,
    KRAImport,
    KRAInvoice,
    KRAItem,
    KRAItemClass,
    KRAPurchase,
    KRASettings,
    KRAWrite,
    MpesaQuery,
    MpesaSettings,
    Payment,
    PayoutBatch,
    PeriodicLease,
    StatementRun,
    WebhookEndpoint,
    WebhookEvent,
    WebhookMessage,
    WebhookReplay,
)
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, run_work
from tests.hunt.plants import planted
from tests.hunt.search import secrets_in
from tests.sandbox.driver import SandboxDriver
from tests.security.businesses import plant_business

# What stands for a parameter; a row's id is looked up by the model in the address.
PARAMETERS = {
    "slug": "mpesa", "route": "stk", "token": "0123456789abcdef" * 2, "app_label": "integrations",
    "content_type_id": "1", "url": "nowhere", "name": "payments",
    "check": "station", "kind": "nil_return",
}  # fmt: skip
WELL_KNOWN = {
    "/admin/integrations/mpesasettings/add/", "/api/v1/integrations/summary/", "/readyz",
    "/metrics",
    "/api/v1/integrations/health/mpesa/", "/api/schema/",
}  # fmt: skip
ROW_IDS = {"object_id", "pk", "id"}
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")


def addresses(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    """The address of every view, parameters filled in."""
    for pattern in resolver.url_patterns:
        text = before + str(pattern.pattern).removeprefix("^").removesuffix("$")
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, text)
        elif isinstance(pattern, URLPattern):
            yield _PARAMETER.sub(lambda found, at=text: value_of(found[1] or found[2], at), text)


BY_PUBLIC_ID: dict[str, Any] = {
    "approval_id": Approval,
    "batch_id": PayoutBatch,
    "expectation_id": ExpectedPayment,
    "filing_id": KRAFiling,
    "invoice_id": KRAInvoice,
    "query_id": MpesaQuery,
    "report_id": KRAWrite,
    "replay_id": WebhookReplay,
    "statement_id": StatementRun,
}


BY_KEY: dict[str, Any] = {
    "branch_id": KRABranch,
    "endpoint_id": WebhookEndpoint,
    "event_id": WebhookEvent,
    "request_id": KRACertificateRequest,
    "item_id": KRAItem,
    "purchase_id": KRAPurchase,
    "import_id": KRAImport,
}


def value_of(parameter: str, address: str) -> str:
    if parameter == "public_id":
        return str(Payment.objects.order_by("pk").values_list("public_id", flat=True)[0])
    if parameter in BY_PUBLIC_ID:
        return str(BY_PUBLIC_ID[parameter].objects.earliest("pk").public_id)
    if parameter in BY_KEY:
        return str(BY_KEY[parameter].objects.earliest("pk").pk)
    if parameter not in ROW_IDS:
        return PARAMETERS[parameter]
    names = address.split("/")
    models = {f"{m._meta.app_label}/{m._meta.model_name}": m for m in admin.site._registry}
    models["v1/integrations"] = MpesaSettings  # the only rows of the HTTP API that are found by id
    model = models.get("/".join(names[2:4]), User)
    return str(model._default_manager.order_by("pk").values_list("pk", flat=True)[0])


@pytest.fixture
def secrets_everywhere(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None], settings: Any
) -> None:
    """A row in every table that the admin shows: payments that went well, ill, and nowhere."""
    settings.METRICS_ALLOWED_NETWORKS = ["127.0.0.1"]
    AppSettings.objects.create(cypher_key=planted("database key"))
    KeyRotation.objects.create(
        kind="database", stage="retired", is_active=False, work_state="done",
        next_attempt_at=None, new_key=planted("second database key"),
    )  # fmt: skip
    PeriodicLease.objects.get_or_create(name="seal-audit")  # what stands behind WorkQueue
    mpesa.save()
    Group.objects.create(name="Finance")
    finance = User.objects.create_user("finance", is_staff=True)
    BusinessGrant.objects.create(user=finance, business="b1")
    ApiToken.issue(finance, name="ERP", scopes=["payments:read"],
                   expires_at=timezone.now() + timedelta(days=1))  # fmt: skip
    push = MpesaPaymentService.initiate_stk_push
    assert push(PHONE, Decimal(10), "INV001")[0]
    sandbox.scenario("wrong_pin")
    assert push("0712345679", Decimal(10), "INV002")[0]
    settle()
    sandbox.fault("html", operation="stk_push")
    push("0712345670", Decimal(10), "INV003")
    run_work()
    PayoutBatch.objects.create(
        environment="sandbox", state="paused", count=1, total=10, command="SalaryPayment",
        digest="0" * 64, requested_by_name="finance", next_attempt_at=None,
    )  # fmt: skip
    Approval.objects.create(
        kind="payout", subject=Payment.objects.earliest("pk"), amount=10, currency="KES",
        summary="KES 10", digest="0" * 64, expires_at=timezone.now() + timedelta(days=1),
        requested_by=finance, requested_by_name="finance",
    )  # fmt: skip
    assert MpesaPaymentService.expect_payment("INV001", 10)[0]
    assert MpesaPaymentService.register_c2b_urls()[0]
    assert MpesaPaymentService.simulate_c2b(PHONE, 10, "INV001")[0]
    settle()
    plant_endpoint()
    plant_tax()
    plant_business()  # and one row of everything else


def plant_tax() -> None:
    """KRA settings of the installation with every secret that they can have, and KRA's lists."""
    secrets = {name: planted("client secret") for name in KRASettings.secret_fields()}
    KRASettings.objects.create(
        **{**secrets, "communication_key": planted("communication key"),
           "client_id": planted("client id"), "password": planted("broker password")},
        kra_pin="P051234567X", branch_code="00", shared=True,
    )  # fmt: skip
    KRACode.objects.create(environment="sandbox", class_code="04", code="B", name="16%")
    KRAItemClass.objects.create(environment="sandbox", code="5059690800", name="Sugar")


def plant_endpoint() -> None:
    """A webhook endpoint with every secret that it can have, and a delivery to it."""
    row = WebhookEndpoint.objects.create(
        name="ERP", url="https://93.184.215.14/hooks", is_asymmetric=True,
        secret=planted("posted secret"), asymmetric_key=planted("posted secret"),
        static_headers=json.dumps({"X-Api-Key": planted("header secret")}), auth="basic",
        username="hub", password=planted("broker password"),
        client_secret=planted("consumer secret"), client_key=planted("access token"),
        secret_hosts=["93.184.215.14:443"],
    )  # fmt: skip
    message = WebhookMessage.objects.create(
        event_type="order.sent", occurred_at=timezone.now(), body=b"{}"
    )
    WebhookEvent.objects.create(
        endpoint=row, message=message, event_type="order.sent", next_attempt_at=None
    )


def people() -> dict[str, Client]:
    superuser = Client(raise_request_exception=False)
    superuser.force_login(User.objects.create_superuser("root", password=planted("admin password")))
    reader = Client(raise_request_exception=False)
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    reader.force_login(user)
    return {"superuser": superuser, "reader": reader, "nobody": Client()}


def test_no_page_shows_a_secret_to_anybody(secrets_everywhere: None, settings: Any) -> None:
    visitors = people()
    empty = [m.__name__ for m in admin.site._registry if not m._default_manager.exists()]
    assert empty == [], "the fixture above has to fill these as well"
    visited = sorted(set(addresses(get_resolver())))
    assert set(visited) >= WELL_KNOWN
    for name, client in visitors.items():
        # Strangers get error pages, which say most under DEBUG.
        settings.DEBUG = name == "nobody"
        for address in visited:
            answer = client.get(address)
            shown = [(kind, how) for _, kind, how in secrets_in(answer.getvalue())]
            assert shown == [], f"{name} at {address}"
            assert answer.status_code != 500, f"{name} at {address}"
