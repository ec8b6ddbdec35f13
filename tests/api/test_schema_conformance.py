"""Generated requests against every documented endpoint: no crash, no undocumented answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from django.contrib.auth import get_user_model
from django.core.wsgi import get_wsgi_application
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from integrations.models import (
    ApiToken,
    KRABranch,
    KRAInvoice,
    MpesaSettings,
    Payment,
    TokenScope,
    WebhookEndpoint,
    WebhookEvent,
    WebhookReplay,
)
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.api import webhook_clients
from tests.chaos.disasters import IS_FULL
from tests.conftest import PHONE
from tests.kra.outbox.conftest import Shop
from tests.sandbox.driver import SandboxDriver

CHECKS = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)
pytestmark = pytest.mark.browser  # Slow, and the same on every stack: runs once.


def load_schema() -> Any:
    raw = SchemaGenerator().get_schema(request=None, public=True)
    # The boundaries of every field are some 60 requests more for each endpoint, which take as long
    # as a third of all tests: at full size only.
    phases = {"coverage": {"enabled": IS_FULL}}
    config = SchemathesisConfig.from_dict({"phases": phases})
    schema = schemathesis.openapi.from_dict(raw, config=config)
    schema.app = get_wsgi_application()
    return schema


SCHEMA = load_schema()


@pytest.fixture
def bearer(mpesa: MpesaSettings, sandbox: SandboxDriver, shop: Shop) -> dict[str, str]:
    """The header of a token that may do everything, where there is something to do it to."""
    user = get_user_model().objects.create_superuser("generated")
    plant_webhooks()
    shop.submit()
    MpesaPaymentService.initiate_stk_push(PHONE, 10, "INV001")
    expires_at = timezone.now() + timedelta(hours=1)
    _, text = ApiToken.issue(user, name="x", scopes=TokenScope.values, expires_at=expires_at)
    return {"Authorization": f"Bearer {text}"}


def plant_webhooks() -> None:
    """An endpoint that nothing is ever sent to, a delivery with an attempt, and a replay."""
    row = webhook_clients.endpoint()
    WebhookEndpoint.objects.filter(pk=row.pk).update(url="https://127.0.0.1/hooks")
    webhook_clients.delivery(row)
    WebhookReplay.objects.create(endpoint=row, total=1)


def point_at_rows(case: Any) -> None:
    """Let about half of the addresses lead to a row that exists."""
    if len(str(case.path_parameters) + str(case.body)) % 2:
        return
    row, payment = MpesaSettings.objects.first(), Payment.objects.first()
    if "id" in case.path_parameters and row is not None:
        case.path_parameters["id"] = row.pk
    if "public_id" in case.path_parameters and payment is not None:
        case.path_parameters["public_id"] = str(payment.public_id)
    for name, model, attribute in (
        ("endpoint_id", WebhookEndpoint, "pk"),
        ("invoice_id", KRAInvoice, "public_id"),
        ("branch_id", KRABranch, "pk"),
        ("event_id", WebhookEvent, "pk"),
        ("replay_id", WebhookReplay, "public_id"),
    ):
        found = model._default_manager.first()
        if name in case.path_parameters and found is not None:
            case.path_parameters[name] = str(getattr(found, attribute))


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_endpoint_answers_as_documented(case: Any, bearer: dict[str, str]) -> None:
    point_at_rows(case)
    answer = case.call(headers=bearer)
    case.validate_response(answer, checks=CHECKS)
    # 500 is documented too, but nothing that is sent may cause it.
    assert answer.status_code != 500
    assert answer.status_code not in (401, 403)


@SCHEMA.parametrize()
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_stranger_is_refused_as_documented(case: Any, transactional_db: None) -> None:
    answer = case.call()
    case.validate_response(answer, checks=CHECKS)
    assert answer.status_code == 401
