"""Statements over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from integrations.api import statement_views
from integrations.models import ApiToken, MpesaSettings, StatementRun
from tests.conftest import run_work
from tests.payments.statements.conftest import account, pay  # noqa: F401
from tests.payments.statements.sheets import row, sheet

URL = "/api/v1/integrations/statements/"


def client_with(*scopes: str) -> APIClient:
    user = User.objects.create_superuser(f"api-{User.objects.count()}")
    expires_at = timezone.now() + timedelta(hours=1)
    _, text = ApiToken.issue(user, name="x", scopes=list(scopes), expires_at=expires_at)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def upload(client: APIClient, *rows: dict[str, str], **values: Any) -> Any:
    file = SimpleUploadedFile("stat.csv", sheet(*rows).getvalue(), content_type="text/csv")
    return client.post(URL, {"file": file, **values}, format="multipart")


@pytest.fixture
def client(account: MpesaSettings) -> APIClient:  # noqa: F811
    return client_with("statements:read", "statements:write")


def test_a_statement_is_imported_and_read(client: APIClient) -> None:
    pay("UAE0000001")
    answer = upload(client, row("UAE0000001"), row("UAE0000002", account="X"))
    assert (answer.status_code, answer.data["state"], answer.data["lines"]) == (
        202, "comparing", 2,
    )  # fmt: skip
    run_work("statements")
    address = f"{URL}{answer.data['statement_id']}/"
    told = client.get(address).json()
    assert told["state"] == "done"
    assert told["totals"]["matched"] == {"count": 1, "sum": "150.00"}
    items = client.get(f"{address}items/", {"finding": "missing_here"}).json()["results"]
    assert [(item["receipt"], item["payment_id"], item["their_amount"]) for item in items] == [
        ("UAE0000002", None, "150.00")
    ]
    [matched] = client.get(f"{address}items/", {"is_open": "false"}).json()["results"]
    assert matched["payment_id"]
    assert [each["statement_id"] for each in client.get(URL).json()["results"]] == [
        told["statement_id"]
    ]
    assert upload(client, row("UAE0000001"), row("UAE0000002", account="X")).status_code == 200


def test_bad_lines_are_named(client: APIClient) -> None:
    answer = upload(client, row("UAE0000001"), row("x"))
    assert answer.status_code == 400
    body = answer.json()
    assert (body["error"]["code"], body["error"]["field"]) == ("bad_statement", "file")
    assert body["faults"] == [{"line": 6, "reason": "Receipt No. 'x' is no receipt number"}]
    assert not StatementRun.objects.exists()


def test_another_accounts_statement_is_refused(client: APIClient) -> None:
    file = SimpleUploadedFile("s.csv", sheet(row("UAE0000001"), short_code="600997").getvalue())
    answer = client.post(URL, {"file": file}, format="multipart")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "statement_account")
    answer = upload(client, row("UAE0000001"), short_code="600997")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unknown_account")


def test_what_is_no_upload_is_refused(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.post(URL, {"file": "text"}, format="json").status_code == 415
    assert client.post(URL, {}, format="multipart").status_code == 400
    monkeypatch.setattr(statement_views.StatementListView, "max_body_bytes", 100)
    assert upload(client, row("UAE0000001")).status_code == 413


def test_scopes_and_permissions_bound_both(account: MpesaSettings) -> None:  # noqa: F811
    reader = client_with("statements:read")
    assert upload(reader, row("UAE0000001")).status_code == 403
    assert reader.get(URL).status_code == 200
    assert client_with("payments:read").get(URL).status_code == 403
    assert reader.get(f"{URL}nonsense/").status_code == 404
    assert reader.get(URL, {"stat": "done"}).status_code == 400
