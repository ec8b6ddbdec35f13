"""The ledger as a file: the filtered rows and no others, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.admin import exports
from integrations.admin.csv_export import safe_cell
from integrations.models import AuditEntry, Payment, PaymentState

EXPORT = "/admin/integrations/payment/export/"


def make(**values: Any) -> Payment:
    return Payment.objects.create(
        provider="mpesa", product="stk_push", environment="sandbox", **{"amount": 10, **values}
    )


def rows_of(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="payments-')
    text = response.getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_filtered_rows_are_exported_and_counted_in_the_trail(
    db: None, admin_client: Client
) -> None:
    make(state=PaymentState.FAILED)
    wanted = make(
        state=PaymentState.UNKNOWN, account_reference="INV-1", phone="254712345678", amount="12.50"
    )
    assert "Export this list" in admin_client.get("/admin/integrations/payment/").content.decode()
    [row] = rows_of(admin_client.post(f"{EXPORT}?state__exact=unknown"))
    assert row["public_id"] == str(wanted.public_id)
    assert (row["amount"], row["phone"], row["account_reference"]) == (
        "12.50", "254712345678", "INV-1",
    )  # fmt: skip
    entry = AuditEntry.objects.get(action="payments.exported")
    assert entry.actor_name == "admin"
    assert entry.detail == "1 rows. Filters: state__exact=unknown"


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+254", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", '=HYPERLINK("x")'],
)
def test_no_cell_is_a_formula(db: None, admin_client: Client, text: str) -> None:
    make(account_reference=text, phone=text[:16], message=text)
    [row] = rows_of(admin_client.post(EXPORT))
    for name in ("account_reference", "phone", "message"):
        assert row[name].startswith("'"), row[name]
        assert row[name][1:] == (text[:16] if name == "phone" else text)


def test_harmless_text_stays_as_it_is() -> None:
    assert safe_cell("INV, \"a\" <b> 'c' 1=1") == "INV, \"a\" <b> 'c' 1=1"
    assert safe_cell(None) == ""


def test_quotes_commas_and_line_breaks_stay_in_their_cell(db: None, admin_client: Client) -> None:
    hostile = 'a","b\r\nc,=1'
    make(account_reference=hostile)
    [row] = rows_of(admin_client.post(EXPORT))
    assert row["account_reference"] == hostile


def test_too_many_rows_are_refused_in_words(
    db: None, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MAX_EXPORTED", 2)
    for _ in range(3):
        make(account_reference="INV-1")
    make(account_reference="OTHER")
    html = admin_client.post(f"{EXPORT}?q=INV", follow=True).content.decode()
    assert "These are more than 2 payments" in html
    assert not AuditEntry.objects.filter(action="payments.exported").exists()
    assert len(rows_of(admin_client.post(f"{EXPORT}?q=OTHER"))) == 1


def test_a_filter_that_can_not_be_read_exports_nothing(db: None, admin_client: Client) -> None:
    make()
    response = admin_client.post(f"{EXPORT}?amount__gte=x", follow=True)
    assert "nothing was exported" in response.content.decode()


def test_only_businesses_that_the_user_sees_are_exported(
    db: None, client_of: Callable[..., Client]
) -> None:
    make(business="mine", account_reference="MINE")
    make(business="theirs", account_reference="THEIRS")
    client = client_of("view_payment", "export_payment", businesses=("mine",))
    assert [row["business"] for row in rows_of(client.post(EXPORT))] == ["mine"]
    assert rows_of(client.post(f"{EXPORT}?business=theirs")) == []


def test_exporting_needs_its_permission_and_a_post(
    db: None, client_of: Callable[..., Client], admin_user: User
) -> None:
    viewer = client_of("view_payment")
    assert "Export this list" not in viewer.get("/admin/integrations/payment/").content.decode()
    assert viewer.post(EXPORT).status_code == 403
    assert client_of("export_payment").post(EXPORT).status_code == 403
    assert "/login/" in Client().post(EXPORT)["Location"]
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.get(EXPORT).status_code == 405
    assert client.post(EXPORT).status_code == 403
    assert not AuditEntry.objects.filter(action="payments.exported").exists()


def told(**where: Any) -> list[tuple[str, str]]:
    entries = AuditEntry.objects.filter(action="payments.exported", **where).order_by("pk")
    return list(entries.values_list("business", "detail"))


def test_an_export_is_told_to_the_businesses_it_was_of_and_to_no_other(
    db: None, client_of: Callable[..., Client], admin_client: Client
) -> None:
    for business in ("mine", "mine", "ours", "theirs"):
        make(business=business, phone="254712345678")
    rights = ("view_payment", "export_payment")
    rows_of(client_of(*rights, businesses=("mine",)).post(f"{EXPORT}?q=0712345678"))
    assert told() == [("mine", "2 rows. Filters: search")]
    AuditEntry.objects.all()._raw_delete("default")
    rows_of(client_of(*rights, businesses=("mine", "ours")).post(EXPORT))
    assert sorted(told()) == [("mine", "2 rows. No filter."), ("ours", "1 rows. No filter.")]
    AuditEntry.objects.all()._raw_delete("default")
    rows_of(client_of(*rights, businesses=("mine",)).post(f"{EXPORT}?state__exact=failed"))
    assert told() == [("mine", "0 rows. Filters: state__exact=failed")]
    AuditEntry.objects.all()._raw_delete("default")
    rows_of(admin_client.post(f"{EXPORT}?amount_from=1&amount_to=99&p=1"))
    assert told() == [("", "4 rows. Filters: amount_from=1; amount_to=99")]


@pytest.mark.parametrize(
    "query", ["q=254712345678", "phone=254712345678", "phone__contains=712345"]
)
def test_the_trail_holds_no_phone_of_a_search(db: None, admin_client: Client, query: str) -> None:
    make(phone="254712345678")
    assert len(rows_of(admin_client.post(f"{EXPORT}?{query}"))) == 1
    [(_, detail)] = told()
    assert "712345" not in detail
    assert detail.startswith("1 rows. Filters: ")
