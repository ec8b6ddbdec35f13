"""A client that a foreign tool makes of the schema works against the running product."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

from integrations.models import ApiToken, MpesaSettings
from tests.api.conftest import user_with
from tests.sandbox.driver import SandboxDriver

PACKAGE = "generated_hub_client"
pytestmark = pytest.mark.browser  # Slow, and the same on every stack: runs once.


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The generated package, imported; gone from this process afterwards."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    (tmp_path / "schema.json").write_bytes(OpenApiJsonRenderer().render(schema))
    (tmp_path / "config.json").write_text(json.dumps({"post_hooks": []}))
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("openapi-python-client")), "generate",
            "--path", "schema.json", "--config", "config.json", "--meta", "none",
            "--output-path", PACKAGE, "--fail-on-warning",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module(PACKAGE)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def operation(group: str, name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.api.{group}.{name}")


def test_it_reads_health_lists_payments_and_pushes_one(
    package: Any, mpesa: MpesaSettings, sandbox: SandboxDriver, public_url: str
) -> None:
    scopes = ["health:read", "payments:read", "payments:write", "settings:read"]
    user = user_with("view_payment", "push_payment", "view_mpesasettings")
    expires_at = timezone.now() + timedelta(hours=1)
    _, text = ApiToken.issue(user, name="ERP", scopes=scopes, expires_at=expires_at)
    client = package.AuthenticatedClient(base_url=public_url, token=text)
    models = importlib.import_module(f"{PACKAGE}.models")

    health = operation("health", "integration_health").sync(client=client)
    assert health.integrations["mpesa"].connected is True

    wish = models.Push(phone="0712345678", amount="10", account_reference="INV001")
    push = operation("payments", "payment_stk_push")
    answer = push.sync_detailed(client=client, body=wish, idempotency_key="order-7")
    assert answer.status_code == 201
    again = push.sync_detailed(client=client, body=wish, idempotency_key="order-7")
    assert (again.status_code, again.parsed.repeated) == (200, True)
    assert len(sandbox.prompts()) == 1

    page = operation("payments", "payment_list").sync(client=client, phone="0712345678")
    assert [str(each.payment_id) for each in page.results] == [answer.parsed.payment_id]
    read = operation("payments", "payment_read").sync(answer.parsed.payment_id, client=client)
    assert read.events[0].kind == "created"

    row = operation("settings", "mpesa_settings_read").sync(mpesa.pk, client=client)
    assert row.consumer_key_preview.startswith("set, fingerprint")
    refused = operation("settings", "mpesa_settings_delete").sync_detailed(mpesa.pk, client=client)
    assert (refused.status_code, refused.parsed.error.code) == (403, "permission_denied")


def test_it_pays_out_gives_a_file_and_reads_approvals(
    package: Any, paying: MpesaSettings, sandbox: SandboxDriver, public_url: str
) -> None:
    paying.approve_above = 1000
    paying.save()
    scopes = ["payouts:write", "payments:read", "approvals:read", "approvals:decide"]
    names = ("view_payment", "payout_payment", "view_payoutbatch", "view_approval")
    user = user_with(*names)
    expires_at = timezone.now() + timedelta(hours=1)
    _, text = ApiToken.issue(user, name="ERP", scopes=scopes, expires_at=expires_at)
    client = package.AuthenticatedClient(base_url=public_url, token=text)
    models = importlib.import_module(f"{PACKAGE}.models")

    wish = models.Payout(phone="0712345678", amount="10", reference="SAL-1")
    payout = operation("payments", "payout_create")
    assert payout.sync_detailed(client=client, body=wish).status_code == 201
    wish = models.Payout(phone="0712345679", amount="2000", reference="SAL-2")
    answer = payout.sync_detailed(client=client, body=wish, idempotency_key="sal-2")
    assert (answer.status_code, str(answer.parsed.state)) == (202, "awaiting_approval")

    found = operation("approvals", "approval_list").sync(client=client)
    [approval] = found.results
    assert str(approval.subject_id) == answer.parsed.payment_id
    approve = operation("approvals", "approval_approve")
    refused = approve.sync_detailed(str(approval.approval_id), client=client)
    assert (refused.status_code, refused.parsed.error.code) == (403, "approval_by_token")

    file = models.GiveFile(csv="phone,amount,reference\n0712345678,10,SAL-1\n", name="May")
    given = operation("payout_files", "payout_batch_create").sync_detailed(client=client, body=file)
    assert (given.status_code, given.parsed.count) == (201, 1)
    read = operation("payout_files", "payout_batch_read").sync(given.parsed.batch_id, client=client)
    assert read.progress[0].count == 1
    bad = models.GiveFile(csv="phone,amount,reference\n12,ten,SAL-1\n")
    told = operation("payout_files", "payout_batch_create").sync_detailed(client=client, body=bad)
    assert (told.status_code, told.parsed.error_count) == (400, 2)
