"""KRA's lists, items, stock, purchases, imports and reports over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from integrations.models import KRAWrite
from tests.api.conftest import user_with, with_token
from tests.kra.conftest import make_kra
from tests.kra.rows import LARGE, plant
from tests.kra.writes.deeds import SOAP, SUGAR, send_all
from tests.sandbox.driver import SandboxDriver

API = "/api/v1/integrations/kra/"
ORIGINAL = "/api/v1/integrations/webhook-events/sync/"
RIGHTS = (
    "view_kracode", "view_kraitem", "view_krastock", "view_krapurchase", "view_kraimport",
    "view_krawrite", "view_kracursor", "report_krawrite", "resend_krawrite",
    "decide_krapurchase", "decide_kraimport", "sync_kracursor",
)  # fmt: skip


MORE = (
    "view_krabranch", "view_krainvoice", "view_krafiling", "view_kracompliancecheck",
    "view_kracertificaterequest",
)  # fmt: skip


@pytest.fixture
def client(kra_hosts: SandboxDriver) -> APIClient:
    make_kra(kra_hosts)
    kra_hosts.kra("purchase", lines=[{"qty": 3, "prc": 116, "itemCd": SUGAR}])
    kra_hosts.kra("import")
    made = with_token(user_with(*RIGHTS), "tax:read", "tax:write")
    answer = made.post(f"{API}sync/", {})
    assert answer.status_code == 200, answer.content
    assert answer.json()["success"], answer.json()
    return made


def rows(client: APIClient, path: str) -> list[dict[str, Any]]:
    answer = client.get(API + path)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    found: list[dict[str, Any]] = body if isinstance(body, list) else body["results"]
    return found


def queries(client: APIClient, path: str) -> int:
    """How many queries a list takes, with their columns."""
    with CaptureQueriesContext(connection) as caught:
        assert client.get(API + path).status_code == 200
    return len(caught)


def test_lists_are_read_and_shown(client: APIClient) -> None:
    assert [row["code"] for row in rows(client, "codes/?class=04")] == ["A", "B", "C", "D", "E"]
    assert rows(client, "item-classes/?search=50596")[0]["code"] == "5059690800"
    assert len(rows(client, "sync/")) == 8
    answer = client.post(f"{API}sync/", {"lists": ["codes"], "start_date": "2026-01-01"})
    assert "no period" in answer.json()["note"]
    assert client.post(f"{API}sync/", {"lists": ["prices"]}).status_code == 400
    bad = {"start_date": "2026-02-01", "end_date": "2026-01-01"}
    assert client.post(f"{API}sync/", bad).json()["error"]["field"] == "end_date"


def test_items_are_saved_and_reported(client: APIClient) -> None:
    answer = client.post(f"{API}items/", SOAP, headers={"Idempotency-Key": "a"})
    assert answer.status_code == 200, answer.content
    told = answer.json()
    again = client.post(f"{API}items/", SOAP, headers={"Idempotency-Key": "a"}).json()
    assert again["report"]["report_id"] == told["report"]["report_id"]
    send_all()
    found = rows(client, "items/?search=Soap")[0]
    assert found["is_registered"]
    assert client.get(f"{API}items/{found['id']}/").json() == found
    assert client.get(f"{API}items/x/").status_code == 404
    url = f"{API}items/{found['id']}/exclude/"
    assert client.post(url, {"excluded": True}).json()["is_excluded"]
    assert not client.post(url, {"excluded": False}).json()["is_excluded"]
    more = {"safety_quantity": "12.50", "group_prices": ["110.00", None], "batch": "B-17"}
    saved = client.post(f"{API}items/", {"reference": "SOAP", "business": "", **more})
    assert saved.status_code == 200, saved.content
    found = rows(client, "items/?search=Soap")[0]
    assert {name: found[name] for name in more} == more
    wrong = client.post(f"{API}items/", {**SOAP, "group_prices": ["1"] * 6})
    assert wrong.json()["error"]["field"].startswith("group_prices")
    answer = client.post(f"{API}items/", {**SOAP, "tax_type": "Q", "reference": "B"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "tax_type")


def test_stock_moves_and_counts(client: APIClient) -> None:
    line = {"item": SUGAR, "quantity": "10"}
    answer = client.post(f"{API}stock/moves/", {"movement": "02", "lines": [line], "key": "G1"})
    assert answer.status_code == 201, answer.content
    answer = client.post(f"{API}stock/counts/", {"item": SUGAR, "quantity": "7"})
    assert answer.status_code == 201, answer.content
    send_all()
    assert rows(client, f"stock/?item_code={SUGAR}")[0]["quantity"] == "7.00"
    out = {"movement": "15", "lines": [{"item": SUGAR, "quantity": "8"}]}
    answer = client.post(f"{API}stock/moves/", out)
    assert answer.json()["error"]["code"] == "not_in_stock"
    reports = rows(client, "reports/?kind=stock_io")
    assert [report["number"] for report in reports] == [2, 1]
    one = client.get(f"{API}reports/{reports[0]['report_id']}/").json()
    assert one["state"] == "done"
    resent = client.post(f"{API}reports/{reports[0]['report_id']}/resend/").json()
    assert resent["success"] is False


def test_purchases_and_imports_are_decided(client: APIClient) -> None:
    purchase = rows(client, "purchases/?state=new")[0]
    answer = client.post(f"{API}purchases/{purchase['id']}/accept/", {"receive": True})
    assert answer.status_code == 200, answer.content
    assert answer.json()["state"] == "accepted"
    again = client.post(f"{API}purchases/{purchase['id']}/reject/", {})
    assert again.json()["error"]["code"] == "already_decided"
    assert client.get(f"{API}purchases/{purchase['id']}/").json()["decided_by"]
    imported = rows(client, "imports/")[0]
    assert client.get(f"{API}imports/{imported['id']}/").json() == imported
    answer = client.post(f"{API}imports/{imported['id']}/accept/", {"item": SUGAR})
    assert answer.status_code == 200, answer.content
    send_all()
    assert set(KRAWrite.objects.values_list("state", flat=True)) == {"done"}
    assert client.post(f"{API}imports/999/reject/", {}).status_code == 404


def test_rights_are_asked_for(client: APIClient) -> None:
    reader = with_token(user_with(*RIGHTS), "tax:read")
    assert reader.get(f"{API}items/").status_code == 200
    assert reader.post(f"{API}items/", SOAP).status_code == 403
    nobody = with_token(user_with(), "tax:read", "tax:write")
    for path in ("codes/", "items/", "stock/", "purchases/", "imports/", "reports/", "sync/"):
        assert nobody.get(API + path).status_code == 403, path
    stranger = with_token(user_with(*RIGHTS, businesses=("other",)), "tax:read", "tax:write")
    assert rows(stranger, "items/") == []
    assert rows(stranger, "reports/") == []
    line = {"item": SUGAR, "quantity": "1"}
    moved = {"business": "", "movement": "02", "lines": [line]}
    assert stranger.post(f"{API}stock/moves/", moved).status_code == 403


def test_the_original_address_reads_the_lists(client: APIClient) -> None:
    answer = client.post(ORIGINAL, {"start_date": "2026-01-01", "end_date": "2026-01-31"})
    assert (answer.status_code, answer.json()["success"]) == (200, True), answer.content
    told = answer.json()["result"]
    assert told["lists"]["codes"]["done"]
    assert "no period" in told["note"]
    refused = client.post(ORIGINAL, {"start_date": "2026-02-01", "end_date": "2026-01-01"})
    assert (refused.status_code, refused.json()["error"]["field"]) == (400, "end_date")
    assert client.post(ORIGINAL, {"period": "2026"}).status_code == 400


def test_the_original_address_tells_which_lists_were_not_read(
    client: APIClient, kra_hosts: SandboxDriver
) -> None:
    kra_hosts.kra_fault("result_code", operation="notices", code="910", times=None)
    answer = client.post(ORIGINAL, {})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "sync_incomplete")
    assert "notices" in error["detail"]


def test_reading_lists_takes_one_right_at_both_addresses(client: APIClient) -> None:
    """Who may change a cursor may not for that have KRA asked."""
    for right, status in (("change_kracursor", 403), ("sync_kracursor", 200)):
        caller = with_token(user_with(right), "tax:write")
        for url in (f"{API}sync/", ORIGINAL):
            assert caller.post(url, {}).status_code == status, (right, url)


def test_a_report_is_sent_again_once_for_a_key_and_not_without_end(
    client: APIClient, kra_hosts: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    kra_hosts.kra_fault("result_code", operation="save_stock_io", code="910")
    line = {"item": SUGAR, "quantity": "10"}
    client.post(f"{API}stock/moves/", {"movement": "02", "lines": [line], "key": "G1"})
    send_all()
    write = KRAWrite.objects.get(kind="stock_io")
    url = f"{API}reports/{write.public_id}/resend/"
    first = client.post(url, headers={"Idempotency-Key": "k"})
    assert (first.status_code, first.json()["success"]) == (200, True), first.content
    again = client.post(url, headers={"Idempotency-Key": "k"})
    assert (again.json(), again["Idempotency-Replayed"]) == (first.json(), "true")
    monkeypatch.setattr("integrations.api.throttles.AskThrottle.default_rate", "1/min")
    assert client.post(url).status_code == 429


@pytest.fixture
def reader(transactional_db: None) -> APIClient:
    """Who may see everything of every business, which nobody wrote by KRA."""
    return with_token(user_with(*RIGHTS, *MORE, businesses=("*",)), "tax:read")


PAGED = ("items/", "stock/", "purchases/", "imports/", "reports/", "sync/", "branches/")
# Lists with tests of their own in other files.
OTHERS = ("invoices/", "filings/", "certificates/", "checks/")


def test_an_empty_business_is_the_installation_in_every_list(reader: APIClient) -> None:
    plant(1)
    plant(2, "duka")
    for path in PAGED:
        assert len(rows(reader, path)) == 3, path
        assert len(rows(reader, f"{path}?business=")) == 1, path
        assert len(rows(reader, f"{path}?business=duka")) == 2, path


def test_one_row_is_of_the_business_that_the_address_names(reader: APIClient) -> None:
    plant(1, "duka")
    for path, key in (("items/", "id"), ("purchases/", "id"), ("imports/", "id"),
                      ("reports/", "report_id")):  # fmt: skip
        url = f"{API}{path}{rows(reader, path)[0][key]}/"
        for query, status in (("", 200), ("?business=duka", 200), ("?business=", 404),
                              ("?business=other", 404), ("?bussiness=duka", 400)):  # fmt: skip
            assert reader.get(url + query).status_code == status, (path, query)


@pytest.mark.parametrize("path", [*PAGED, *OTHERS])
def test_a_list_is_paged_and_takes_as_many_queries_for_many_rows_as_for_one(
    reader: APIClient, path: str
) -> None:
    plant(1)
    queries(reader, path)
    one = queries(reader, path)
    plant(4)
    assert queries(reader, path) == one
    page = reader.get(f"{API}{path}?page_size=2").json()
    assert (len(page["results"]), bool(page["next"])) == (2, True)
    assert reader.get(f"{API}{path}?colour=red").status_code == 400


@pytest.mark.parametrize("path", [*PAGED, *OTHERS])
def test_lists_read_no_large_column_that_they_do_not_show(reader: APIClient, path: str) -> None:
    plant(1)
    with CaptureQueriesContext(connection) as caught:
        assert len(rows(reader, path)) >= 1
    read = " ".join(query["sql"] for query in caught)
    assert [column for column in LARGE if column in read] == []
