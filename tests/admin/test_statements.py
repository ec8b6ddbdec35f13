"""Statements in the admin: uploaded, counted, decided about; one list of what waits for people."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from integrations.models import (
    AuditEntry,
    MpesaSettings,
    Payment,
    StatementItem,
    StatementLine,
    StatementRun,
)
from tests.conftest import run_work
from tests.payments.statements.conftest import account, pay, reconcile  # noqa: F401
from tests.payments.statements.sheets import paid_out, row, sheet

UPLOAD = "/admin/integrations/statementrun/upload/"
ITEM = "/admin/integrations/statementitem/"
WORK = "/admin/integrations/worklist/"
HOSTILE = '<script>alert(1)</script>=HYPERLINK("x")'
ClientOf = Callable[..., Client]


def upload(client: Client, *rows: dict[str, str], **values: Any) -> Any:
    file = SimpleUploadedFile("stat.csv", sheet(*rows).getvalue(), content_type="text/csv")
    data = {"account": "174379:", "file": file, **values}
    return client.post(UPLOAD, data, follow=True)


def rows_of(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.getvalue().decode("utf-8-sig"), newline="")))


def test_an_uploaded_statement_leads_to_its_counts(
    account: MpesaSettings,  # noqa: F811
    admin_client: Client,
) -> None:
    pay("UAE0000001")
    html = upload(admin_client, row("UAE0000001"), row("UAE0000002", account="X")).content.decode()
    assert "The statement is stored and is being compared." in html
    run_work("statements")
    run = StatementRun.objects.get()
    assert (run.state, run.started_by) == ("done", "admin")
    page = admin_client.get(f"/admin/integrations/statementrun/{run.pk}/change/").content.decode()
    link = f"{ITEM}?run__id__exact={run.pk}&amp;finding__exact=missing_here"
    assert link in page
    items = admin_client.get(link.replace("&amp;", "&")).content.decode()
    assert "UAE0000002" in items
    assert "UAE0000001" not in items
    assert "Missing here" in items
    assert AuditEntry.objects.get(action="statement.imported").actor_name == "admin"
    again = upload(admin_client, row("UAE0000001"), row("UAE0000002", account="X"))
    assert "imported already" in again.content.decode()


def test_bad_lines_are_named_and_nothing_is_stored(
    account: MpesaSettings,  # noqa: F811
    admin_client: Client,
) -> None:
    html = upload(admin_client, row("UAE0000001"), row("x", party=HOSTILE)).content.decode()
    assert "Line 6: Receipt No. &#x27;x&#x27; is no receipt number." in html
    assert not StatementRun.objects.exists()
    assert not StatementLine.objects.exists()


@pytest.mark.parametrize("account_value", ["999999:", "174379:other", ""])
def test_an_account_that_is_not_offered_is_refused(
    account: MpesaSettings,  # noqa: F811
    admin_client: Client,
    account_value: str,
) -> None:
    assert upload(admin_client, row("UAE0000001"), account=account_value).status_code == 200
    assert not StatementRun.objects.exists()


def test_importing_needs_its_permission_and_the_business(
    account: MpesaSettings,  # noqa: F811
    client_of: ClientOf,
) -> None:
    assert upload(client_of("view_statementrun"), row("UAE0000001")).status_code == 403
    stranger = client_of("view_statementrun", "import_statement", businesses=("other",))
    assert upload(stranger, row("UAE0000001")).status_code == 200
    assert not StatementRun.objects.exists()
    page = stranger.get("/admin/integrations/statementrun/").content.decode()
    assert "Import a statement" in page


def open_item(reconcile: Any, **told: str) -> StatementItem:  # noqa: F811
    reconcile(row("UAE0000009", **{"account": "X", **told}))
    return StatementItem.objects.get(is_open=True)


def test_an_item_is_resolved_with_a_note(reconcile: Any, admin_client: Client) -> None:  # noqa: F811
    item = open_item(reconcile)
    page = f"{ITEM}{item.pk}/change/"
    assert "Resolved, with this note" in admin_client.get(page).content.decode()
    admin_client.post(f"{ITEM}{item.pk}/resolve/", {"note": "x"})
    item.refresh_from_db()
    assert item.is_open
    html = admin_client.post(
        f"{ITEM}{item.pk}/resolve/", {"note": f"Rent. {HOSTILE}"}, follow=True
    ).content.decode()
    assert HOSTILE not in html
    item.refresh_from_db()
    assert (item.is_open, item.note) == (False, f"Rent. {HOSTILE}")
    assert item.resolved_by and item.resolved_by.username == "admin"
    assert AuditEntry.objects.get(action="statement.resolved").detail.startswith("Rent.")
    again = admin_client.post(f"{ITEM}{item.pk}/resolve/", {"note": "Again."}, follow=True)
    assert "Nothing was changed" in again.content.decode()


def test_a_finding_reaches_the_payment(reconcile: Any, admin_client: Client) -> None:  # noqa: F811
    payout = pay(direction="out", product="b2c", originator_id="bengo-1")
    reconcile(row("UAE0000009", account="X"))
    item = StatementItem.objects.get(payment=payout)
    assert "Was it paid?" in admin_client.get(f"{ITEM}{item.pk}/change/").content.decode()
    admin_client.post(f"{ITEM}{item.pk}/resolve/", {"note": "Not sent.", "finding": "not_paid"})
    payout.refresh_from_db()
    assert (payout.finding, payout.attention, payout.state) == ("not_paid", "", "unknown")
    page = admin_client.get(f"/admin/integrations/payment/{payout.pk}/change/").content.decode()
    assert "complete for its period and does not have this payment" in page
    assert "What each source says" in page


def test_a_missing_payment_is_recorded_from_its_line(
    reconcile: Any,  # noqa: F811
    admin_client: Client,
) -> None:
    item = open_item(reconcile)
    html = admin_client.post(f"{ITEM}{item.pk}/record/", follow=True).content.decode()
    assert "The payment is recorded" in html
    payment = Payment.objects.get()
    assert (payment.product, payment.state, payment.receipt, payment.amount) == (
        "c2b", "succeeded", "UAE0000009", 150,
    )  # fmt: skip
    item.refresh_from_db()
    assert (item.is_open, item.payment) == (False, payment)
    assert AuditEntry.objects.get(action="payment.recorded").actor_name == "admin"
    again = admin_client.post(f"{ITEM}{item.pk}/record/", follow=True).content.decode()
    assert "Nothing was changed" in again
    assert Payment.objects.count() == 1


def test_a_payout_made_elsewhere_is_recorded_too(
    reconcile: Any,  # noqa: F811
    admin_client: Client,
) -> None:
    reconcile(paid_out("UAE0000009", "500.00"))
    item = StatementItem.objects.get(is_open=True)
    admin_client.post(f"{ITEM}{item.pk}/record/")
    payment = Payment.objects.get()
    assert (payment.direction, payment.product, payment.state) == ("out", "b2c", "succeeded")
    assert (payment.party, payment.party_name) == ("254712345678", "JANE DOE")


def test_a_receipt_that_is_known_is_not_recorded_again(
    reconcile: Any,  # noqa: F811
    admin_client: Client,
) -> None:
    item = open_item(reconcile)
    pay("UAE0000009", business="other", short_code="600997")
    html = admin_client.post(f"{ITEM}{item.pk}/record/", follow=True).content.decode()
    assert "known already" in html
    assert Payment.objects.count() == 1


def test_deciding_needs_its_permissions_and_a_post(
    reconcile: Any,  # noqa: F811
    client_of: ClientOf,
    admin_client: Client,
) -> None:
    item = open_item(reconcile)
    viewer = client_of("view_statementitem")
    stranger = client_of("view_statementitem", "resolve_statementitem", businesses=("other",))
    for action in ("resolve", "record"):
        address = f"{ITEM}{item.pk}/{action}/"
        assert viewer.post(address, {"note": "Found."}).status_code == 403
        assert admin_client.get(address).status_code == 405
    assert stranger.post(f"{ITEM}{item.pk}/resolve/", {"note": "Found."}).status_code == 404
    item.refresh_from_db()
    assert item.is_open


def test_every_list_is_exported_and_no_cell_is_a_formula(
    reconcile: Any,  # noqa: F811
    admin_client: Client,
) -> None:
    open_item(reconcile, account="=1+1", party="+254712345678 - @SUM(A1)", details="-x")
    [item] = rows_of(admin_client.post(f"{ITEM}export/"))
    assert (item["receipt"], item["line__reference"]) == ("UAE0000009", "'=1+1")
    [line] = rows_of(admin_client.post("/admin/integrations/statementline/export/"))
    assert line["party"].startswith("'+254")
    assert line["details"] == "'-x"
    [run] = rows_of(admin_client.post("/admin/integrations/statementrun/export/"))
    assert run["lines"] == "1"
    for name in ("statement_items", "statement_lines", "statements"):
        assert AuditEntry.objects.filter(action=f"{name}.exported").exists()


def test_the_work_list_has_everything_that_waits(
    reconcile: Any,  # noqa: F811
    admin_client: Client,
) -> None:
    pay(attention=f"Compare. {HOSTILE}", account_reference="NEEDS-1", state="unknown",
        short_code="600000")  # fmt: skip
    open_item(reconcile)
    html = admin_client.get(WORK).content.decode()
    for text in ("NEEDS-1", "UAE0000009", "Missing here", "Payments that need a person: ",
                 "What statements and ledger tell differently"):  # fmt: skip
        assert text.strip() in " ".join(html.split())
    assert HOSTILE not in html
    rows = rows_of(admin_client.post(f"{WORK}export/"))
    assert {each["reference"] for each in rows} >= {"NEEDS-1", "UAE0000009"}
    assert AuditEntry.objects.filter(action="work_list.exported").exists()


def test_the_work_list_shows_what_its_reader_may_see(
    reconcile: Any,  # noqa: F811
    client_of: ClientOf,
    admin_user: User,
) -> None:
    pay(attention="Compare.", account_reference="NEEDS-1", short_code="600000")
    pay(attention="Compare.", account_reference="MINE-1", short_code="600000", business="mine")
    open_item(reconcile)
    reader = client_of("view_worklist", "view_payment", "export_worklist", businesses=("mine",))
    html = reader.get(WORK).content.decode()
    assert "MINE-1" in html
    assert "NEEDS-1" not in html
    assert "UAE0000009" not in html
    assert [each["reference"] for each in rows_of(reader.post(f"{WORK}export/"))] == ["MINE-1"]
    assert client_of("view_payment").get(WORK).status_code == 403
    assert client_of("view_worklist").post(f"{WORK}export/").status_code == 403


def test_older_lines_of_one_source_are_paged_by_key(
    account: MpesaSettings,  # noqa: F811
    admin_client: Client,
) -> None:
    for number in range(30):
        pay(attention="Compare.", account_reference=f"N-{number:02}", short_code="600000")
    html = admin_client.get(WORK).content.decode()
    assert "N-29" in html
    assert "N-04" not in html
    [link] = [part.split('"')[0] for part in html.split('href="') if "before=" in part[:200]]
    older = admin_client.get(link.replace("&amp;", "&")).content.decode()
    assert "N-04" in older
    assert "N-29" not in older
    assert admin_client.get(f"{WORK}?source=payments&before=x\x00").status_code == 200
