"""The pages of items, lists, purchases, imports and reports: what people may do there."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.kra.service import KRAService
from integrations.models import AuditEntry, KRAImport, KRAItem, KRAPurchase, KRAWrite
from tests.kra.rows import LARGE, plant
from tests.kra.writes.deeds import SOAP, SUGAR, bring, send_all, told
from tests.sandbox.driver import SandboxDriver

BASE = "/admin/integrations"


@pytest.fixture
def service(kra: Any, sandbox: SandboxDriver) -> KRAService:
    sandbox.kra("purchase", lines=[{"qty": 3, "prc": 116}])
    sandbox.kra("import")
    made = KRAService()
    told(made.sync_tax_data())
    return made


def act(client: Client, model: str, action: str, *ids: int) -> Any:
    data = {"action": action, "_selected_action": [str(pk) for pk in ids]}
    return client.post(f"{BASE}/{model}/", data, follow=True)


def test_items_are_excluded_and_registered(service: KRAService, admin_client: Client) -> None:
    told(service.save_item(SOAP))
    item = KRAItem.objects.get(reference="SOAP")
    act(admin_client, "kraitem", "exclude_items", item.pk)
    item.refresh_from_db()
    assert item.is_excluded
    assert (
        "excluded from eTIMS"
        in act(admin_client, "kraitem", "register_at_kra", item.pk).content.decode()
    )
    act(admin_client, "kraitem", "include_items", item.pk)
    act(admin_client, "kraitem", "register_at_kra", item.pk)
    send_all()
    item.refresh_from_db()
    assert (item.is_registered, KRAWrite.objects.count()) == (True, 1)
    page = admin_client.get(f"{BASE}/kraitem/{item.pk}/change/")
    assert page.status_code == 200


def test_a_purchase_is_accepted_by_its_form(service: KRAService, admin_client: Client) -> None:
    row = KRAPurchase.objects.get()
    page = admin_client.get(f"{BASE}/krapurchase/{row.pk}/change/").content.decode()
    assert f"{row.pk}/accept/" in page
    url = f"{BASE}/krapurchase/{row.pk}/accept/"
    assert "Supplied goods" in admin_client.get(url).content.decode()
    answer = admin_client.post(url, {"item_1": "NONE", "remark": ""})
    assert "not in the catalogue" in answer.content.decode()
    admin_client.post(url, {"item_1": SUGAR, "remark": "fine"})
    row.refresh_from_db()
    assert (row.state, row.decided_by) == ("accepted", "admin")
    assert (
        f"{row.pk}/accept/"
        not in admin_client.get(f"{BASE}/krapurchase/{row.pk}/change/").content.decode()
    )


def test_an_import_is_rejected_by_its_form(service: KRAService, admin_client: Client) -> None:
    row = KRAImport.objects.get()
    admin_client.post(f"{BASE}/kraimport/{row.pk}/reject/", {"remark": "Not ours"})
    row.refresh_from_db()
    assert row.state == "rejected"


def test_reports_are_sent_again(
    service: KRAService, sandbox: SandboxDriver, admin_client: Client
) -> None:
    sandbox.kra_fault("result_code", operation="save_stock_io", code="910")
    bring(service)
    send_all()
    write = KRAWrite.objects.get(kind="stock_io")
    assert write.state == "rejected"
    act(admin_client, "krawrite", "send_again", write.pk)
    send_all()
    write.refresh_from_db()
    assert write.state == "done"
    assert admin_client.get(f"{BASE}/krawrite/{write.pk}/change/").status_code == 200


def doubtful(service: KRAService, sandbox: SandboxDriver) -> KRAWrite:
    """A report whose answer was lost."""
    sandbox.kra_fault("lose_answer", operation="save_stock_io")
    bring(service)
    send_all()
    return KRAWrite.objects.get(kind="stock_io", state="in_doubt")


def test_a_report_in_doubt_is_settled_on_its_page(
    service: KRAService, sandbox: SandboxDriver, admin_client: Client
) -> None:
    write = doubtful(service, sandbox)
    page = f"{BASE}/krawrite/{write.pk}/"
    assert f"{page}settle/" in admin_client.get(f"{page}change/").content.decode()
    assert "Look into KRA" in admin_client.get(f"{page}settle/").content.decode()
    assert (
        "This field is required"
        in admin_client.post(f"{page}settle/", {"outcome": "yes"}).content.decode()
    )
    write.refresh_from_db()
    assert write.state == "in_doubt"
    admin_client.post(f"{page}settle/", {"outcome": "yes", "note": "Seen on the portal."})
    write.refresh_from_db()
    assert write.state == "done"
    entry = AuditEntry.objects.get(action="kra_report_settled")
    assert entry.detail == "taken: Seen on the portal."
    again = admin_client.get(f"{page}settle/", follow=True).content.decode()
    assert "nothing to settle" in again
    assert f"{page}settle/" not in again


def test_who_may_send_reports_again_may_not_for_that_settle_them(
    service: KRAService, sandbox: SandboxDriver, client: Client
) -> None:
    write = doubtful(service, sandbox)
    url = f"{BASE}/krawrite/{write.pk}/settle/"
    told = {"outcome": "no", "note": "Not there."}
    for right, status in (("resend_krawrite", 403), ("settle_krawrite", 302)):
        user = User.objects.create_user(right, is_staff=True)
        names = ["view_krawrite", right]
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client.force_login(user)
        assert client.post(url, told).status_code == status, right
    write.refresh_from_db()
    assert write.state == "rejected"


def test_lists_are_read_now(service: KRAService, admin_client: Client) -> None:
    from integrations.models import KRACursor

    cursor = KRACursor.objects.get(list_name="codes")
    page = act(admin_client, "kracursor", "sync_now", cursor.pk).content.decode()
    assert "new rows" in page


def test_who_may_only_see_may_not_act(service: KRAService, client: Client) -> None:
    user = User.objects.create_user("reader", is_staff=True)
    names = ["view_kraitem", "view_krapurchase", "view_krawrite", "view_kracursor"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    row = KRAPurchase.objects.get()
    assert client.get(f"{BASE}/krapurchase/").status_code == 200
    assert client.post(f"{BASE}/krapurchase/{row.pk}/accept/", {}).status_code == 403
    item = KRAItem.objects.first()
    assert item is not None
    act(client, "kraitem", "exclude_items", item.pk)
    item.refresh_from_db()
    assert not item.is_excluded


LISTS = (
    "krabranch", "krainvoice", "kraitem", "krawrite", "krapurchase", "kraimport", "krarecord",
    "kracursor", "krafiling", "kracompliancecheck", "kracertificaterequest",
)  # fmt: skip


@pytest.mark.parametrize("model", LISTS)
def test_a_list_takes_as_many_queries_for_many_rows_and_reads_no_large_column(
    transactional_db: None, admin_client: Client, model: str
) -> None:
    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as caught:
            assert admin_client.get(f"{BASE}/{model}/").status_code == 200
        return [query["sql"] for query in caught]

    plant(1)
    queries()
    one = queries()
    assert [column for column in (*LARGE, 'kraimport"."data"', 'krapurchase"."data"')
            if column in " ".join(one)] == []  # fmt: skip
    plant(4)
    assert len(queries()) == len(one)
