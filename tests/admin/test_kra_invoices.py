"""Invoices and control units of KRA in the admin: found, filtered, shown, printed, settled."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from integrations.models import (
    AuditEntry,
    InvoiceKind,
    InvoiceState,
    KRABranch,
    KRAInvoice,
    KRAInvoiceEvent,
)
from tests.kra.receipts.rows import SIGNATURE, UNIT, branch_row, invoice_row, settings_row

LIST = "/admin/integrations/krainvoice/"
BRANCHES = "/admin/integrations/krabranch/"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def branch(db: None) -> KRABranch:
    settings_row()
    return branch_row()


@pytest.fixture
def invoice(branch: KRABranch) -> KRAInvoice:
    return invoice_row(branch)


def page(invoice: KRAInvoice, part: str = "change") -> str:
    return f"{LIST}{invoice.pk}/{part}/"


def found(client: Client, query: str = "") -> list[str]:
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    return [row.trader_number for row in response.context["cl"].result_list]


@pytest.mark.parametrize(
    "term",
    ["INV-00", "169", f"{UNIT}/169", "Zoë", "a123456789b", "1"],
)
def test_a_document_is_found_by_what_people_have_at_hand(
    invoice: KRAInvoice, branch: KRABranch, admin_client: Client, term: str
) -> None:
    invoice_row(
        branch, number=3, trader_number="X-2", customer_name="Other", customer_pin="P000000000B"
    )
    assert found(admin_client, f"q={term}") == ["INV-001"]
    assert found(admin_client, f"q={invoice.public_id}") == ["INV-001"]
    assert found(admin_client, "q=nothing") == []


def test_filters(branch: KRABranch, admin_client: Client) -> None:
    sale = invoice_row(branch)
    invoice_row(branch, number=2, kind=InvoiceKind.CREDIT_NOTE, original=sale, trader_number="CN-1")
    there = branch_row(environment="sandbox", business="duka")
    late = invoice_row(there, number=3, state=InvoiceState.REJECTED, attention="Look at it.")
    KRAInvoice.objects.filter(pk=late.pk).update(created_at=datetime(2026, 1, 2, 9, tzinfo=UTC))
    assert found(admin_client, "kind__exact=credit_note") == ["CN-1"]
    assert found(admin_client, "state__exact=rejected") == ["INV-003"]
    assert found(admin_client, f"branch={branch.pk}") == ["CN-1", "INV-001"]
    assert found(admin_client, "branch=nonsense") == ["INV-003", "CN-1", "INV-001"]
    assert found(admin_client, "environment__exact=sandbox") == ["INV-003"]
    assert found(admin_client, "business=duka") == ["INV-003"]
    assert found(admin_client, "attention=yes") == ["INV-003"]
    assert found(admin_client, "created_from=2026-01-02&created_to=2026-01-02") == ["INV-003"]


def test_the_list_takes_as_many_queries_for_many_rows_as_for_one(
    branch: KRABranch, admin_client: Client
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert admin_client.get(LIST).status_code == 200
        return len(caught)

    invoice_row(branch)
    queries()
    one = queries()
    for number in range(2, 22):
        invoice_row(branch_row(bhf_id=f"{number:02d}"), number=number)
    assert queries() == one


@pytest.mark.parametrize(
    ("state", "told", "words"),
    [
        (InvoiceState.REJECTED, {"message": f"Unknown item {HOSTILE}"}, "Unknown item &lt;script"),
        (InvoiceState.IN_DOUBT, {"message": "No answer."}, "No answer."),
        (InvoiceState.QUEUED, {"message": "No answer.", "attention": "Look."}, ">Look.<"),
        (InvoiceState.QUEUED, {}, "The branch is held: wrong key"),
        (InvoiceState.REJECTED, {"message": "x" * 300}, f">{'x' * 119}…<"),
    ],
)
def test_the_list_tells_the_reason_and_how_often_it_was_sent(
    branch: KRABranch, admin_client: Client, state: str, told: dict[str, str], words: str
) -> None:
    branch.held_reason = "wrong key"
    branch.save()
    invoice_row(branch, state=state, times_sent=4711, **told)
    html = admin_client.get(LIST).content.decode()
    assert words in html
    assert ">4711<" in html
    assert HOSTILE not in html


def test_the_list_gives_no_reason_for_what_is_signed(
    branch: KRABranch, admin_client: Client
) -> None:
    KRABranch.objects.update(held_reason="wrong key")
    invoice_row(branch)
    assert "wrong key" not in admin_client.get(LIST).content.decode()


def test_the_page_tells_state_receipt_lines_and_history(
    invoice: KRAInvoice, admin_client: Client
) -> None:
    KRAInvoiceEvent.objects.create(
        invoice=invoice, kind="signed", text=HOSTILE, from_state="sending", to_state="signed"
    )
    html = admin_client.get(page(invoice)).content.decode()
    for wanted in (
        "Signed", "It can only be credited now.", f"{UNIT}/169", "V249-J39C-FJ48-HE2W",
        "KES 3,842.25", "Bidhaa 5", "Being sent → Signed", page(invoice, "qr"),
        "Download PDF", "Credit note",
    ):  # fmt: skip
        assert wanted in html, wanted
    assert HOSTILE not in html
    assert "&lt;script&gt;" in html
    assert "Settle it yourself" not in html


@pytest.mark.parametrize(
    ("state", "words", "button"),
    [
        (InvoiceState.QUEUED, "its turn comes", "Verify with KRA"),
        (InvoiceState.IN_DOUBT, "answer was lost", "Settle it yourself"),
        (InvoiceState.REGISTERED, "KRA has it", "Settle it yourself"),
        (InvoiceState.REJECTED, "Correct it in the ERP", "Verify with KRA"),
        (InvoiceState.NOT_REQUIRED, "excluded from eTIMS", "View the receipt"),
    ],
)
def test_each_state_says_what_it_means_and_offers_what_helps(
    branch: KRABranch, admin_client: Client, state: str, words: str, button: str
) -> None:
    row = invoice_row(branch, state=state, message="KRA said: item unknown.", attention="Look.")
    html = admin_client.get(page(row)).content.decode()
    assert words in html
    assert button in html
    assert "KRA said: item unknown." in html
    assert "Needs a person" in html
    assert "Credit note</a>" not in html


def test_whoever_only_may_see_gets_no_buttons_and_no_original(
    invoice: KRAInvoice, client_of: Callable[..., Client]
) -> None:
    viewer = client_of("view_krainvoice")
    html = viewer.get(page(invoice)).content.decode()
    assert "Credit note</a>" not in html
    assert "Verify with KRA" not in html
    for part in ("resend", "credit", "settle"):
        assert viewer.post(page(invoice, part)).status_code == 403
    assert viewer.post(f"{LIST}export/").status_code == 403
    paper = viewer.post(page(invoice, "pdf"), {"size": "roll"})
    assert paper.status_code == 200
    invoice.refresh_from_db()
    assert invoice.times_printed == 0


def test_another_businesss_document_does_not_exist(
    invoice: KRAInvoice, client_of: Callable[..., Client]
) -> None:
    rights = ("view_krainvoice", "submit_krainvoice", "resend_krainvoice", "settle_krainvoice")
    other = client_of(*rights, businesses=("duka",))
    assert found(other) == []
    for part in ("receipt", "qr", "credit", "settle"):
        assert other.get(page(invoice, part)).status_code == 404
    for part in ("resend", "credit", "settle", "pdf"):
        assert other.post(page(invoice, part)).status_code == 404


def test_the_receipt_is_looked_at_as_a_copy_and_the_first_file_is_the_original(
    invoice: KRAInvoice, admin_client: Client
) -> None:
    looked = admin_client.get(page(invoice, "receipt"))
    assert "COPY" in looked.content.decode()
    assert "no-store" in looked["Cache-Control"]
    assert admin_client.get(page(invoice, "pdf")).status_code == 405
    first = admin_client.post(page(invoice, "pdf"), {"size": "roll"})
    assert first["Content-Type"] == "application/pdf"
    assert first.content.startswith(b"%PDF")
    invoice.refresh_from_db()
    assert invoice.times_printed == 1
    admin_client.post(page(invoice, "pdf"), {"size": "nonsense"})
    invoice.refresh_from_db()
    assert invoice.times_printed == 2
    assert AuditEntry.objects.filter(action="krainvoice.printed").count() == 2
    picture = admin_client.get(page(invoice, "qr"))
    assert picture["Content-Type"] == "image/png"


def test_an_open_page_follows_its_document(
    branch: KRABranch, admin_client: Client, client_of: Callable[..., Client]
) -> None:
    row = invoice_row(branch, state=InvoiceState.QUEUED)
    live = page(row, "live")
    assert live in admin_client.get(page(row)).content.decode()
    before = admin_client.get(live).json()
    assert before["ended"] is False
    KRAInvoiceEvent.objects.create(invoice=row, kind="asked_for")
    after = admin_client.get(live).json()
    assert after["state"] != before["state"]
    KRAInvoice.objects.filter(pk=row.pk).update(state=InvoiceState.REJECTED)
    assert admin_client.get(live).json()["ended"] is True
    assert client_of("view_krainvoice", businesses=("duka",)).get(live).status_code == 404
    assert client_of().get(live).status_code == 403


def test_there_is_no_code_before_the_signature(branch: KRABranch, admin_client: Client) -> None:
    row = invoice_row(branch, state=InvoiceState.QUEUED)
    assert admin_client.get(page(row, "qr")).status_code == 404
    assert "PROVISIONAL" in admin_client.get(page(row, "receipt")).content.decode()


def test_the_list_is_taken_out_as_a_file(invoice: KRAInvoice, admin_client: Client) -> None:
    answer = admin_client.post(f"{LIST}export/?state__exact=signed")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    [row] = list(csv.DictReader(io.StringIO(text)))
    assert row["trader_number"] == "INV-001"
    assert row["signature"] == SIGNATURE
    assert Decimal(row["total"]) == Decimal("3842.25")
    assert AuditEntry.objects.filter(action="KRA_invoices.exported").exists()


def test_branches_tell_what_waits_and_since_when(admin_client: Client, db: None) -> None:
    settings_row(transport="vscu", environment="production", offline_hours=24)
    unit = branch_row(
        held_reason="KRA does not know the device.", held_at=timezone.now(),
        last_contact_at=timezone.now() - timedelta(hours=20),
    )  # fmt: skip
    for number in (1, 2):
        invoice_row(unit, number=number, state=InvoiceState.QUEUED, next_attempt_at=timezone.now())
    html = admin_client.get(BRANCHES).content.decode()
    assert "4.0 hours" in html
    assert '<span class="badge badge-bad">Held</span>' in html
    assert f'href="{LIST}?branch={unit.pk}">2</a>' in html
    one = admin_client.get(f"{BRANCHES}{unit.pk}/change/").content.decode()
    assert "KRA does not know the device." in one
    assert "2 invoices" in one
    assert admin_client.get(f"{BRANCHES}?standing=held").context["cl"].result_count == 1
    assert admin_client.get(f"{BRANCHES}?standing=alarm").context["cl"].result_count == 0


def test_the_branches_take_as_many_queries_for_many_as_for_one(
    branch: KRABranch, admin_client: Client
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert admin_client.get(BRANCHES).status_code == 200
        return len(caught)

    queries()
    one = queries()
    for number in range(1, 20):
        invoice_row(branch_row(bhf_id=f"{number:02d}"), number=number)
    assert queries() == one


def test_a_held_branch_is_released_with_a_note(
    branch: KRABranch, admin_client: Client, client_of: Callable[..., Client]
) -> None:
    KRABranch.objects.update(held_reason="The books differ.", held_at=timezone.now())
    release = f"{BRANCHES}{branch.pk}/release/"
    assert client_of("view_krabranch").post(release, {"note": "Mended."}).status_code == 403
    assert "The books differ." in admin_client.get(release).content.decode()
    assert admin_client.post(release, {"note": ""}).status_code == 200
    invoice_row(branch, number=7)
    refused = admin_client.post(release, {"note": "Mended.", "next_number": "7"})
    assert "taken in our own book" in refused.content.decode()
    branch.refresh_from_db()
    assert branch.held_reason
    assert admin_client.post(release, {"note": "Mended.", "next_number": "8"}).status_code == 302
    branch.refresh_from_db()
    assert (branch.held_reason, branch.last_invoice_number) == ("", 7)
    assert "Mended." in AuditEntry.objects.get(action="kra.branch_released").detail


def test_the_start_page_counts_tax(branch: KRABranch, admin_client: Client) -> None:
    """Each number by itself, and its link leads to as many rows."""
    trial = branch_row(environment="sandbox")
    KRABranch.objects.filter(pk=branch.pk).update(held_reason="Held.")
    waits = {"next_attempt_at": timezone.now(), "work_state": "due"}
    for number in (1, 2, 3):
        invoice_row(branch, number=number)
    old = invoice_row(branch, number=4)
    KRAInvoice.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=3))
    invoice_row(trial, number=1, trader_number="T-1")
    invoice_row(branch, number=5, state=InvoiceState.IN_DOUBT, attention="Look at it.", **waits)
    invoice_row(branch, number=6, state=InvoiceState.QUEUED, **waits)
    for number in (7, 8):
        invoice_row(branch, number=number, state=InvoiceState.REJECTED)
    page = admin_client.get("/admin/")
    [card] = [each for each in page.context["cards"] if each.title == "Tax (KRA)"]
    assert card.tone == "bad"
    assert card.figure.text == "2"
    assert card.figure.label.startswith("invoices waiting, the oldest for ")
    assert [(line.text, line.label) for line in card.lines] == [
        ("3", "of today signed"), ("1", "of today signed"), ("1", "branches held"),
        ("1", "in doubt"), ("2", "rejected"), ("1", "need a person"),
    ]  # fmt: skip
    html = page.content.decode()
    for line in (card.figure, *card.lines):
        shown = admin_client.get(line.url).context["cl"].result_count
        assert f"{shown}" == line.text, line
        assert escape(line.url) in html


def test_one_query_of_the_credit_form_shows_what_is_left(
    invoice: KRAInvoice, admin_client: Client
) -> None:
    html = admin_client.get(page(invoice, "credit")).content.decode()
    assert "CN-INV-001-1" in html
    assert "5 left to credit." in html
    assert "06 Refund" in html


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reason": "99"}, "Select a valid choice"),
        ({"trader_number": ""}, "This field is required"),
        ({"line_0": "3"}, "less than or equal to 2"),
        ({"line_0": "-1"}, "greater than or equal to 0"),
        ({f"line_{at}": "0" for at in range(5)}, "at least one line"),
    ],
)
def test_what_can_not_be_credited_is_said(
    invoice: KRAInvoice, admin_client: Client, values: dict[str, Any], words: str
) -> None:
    given = {"trader_number": "CN-9", "reason": "06", "line_0": "2", "line_1": "5", "line_2": "4",
             "line_3": "1", "line_4": "3", **values}  # fmt: skip
    answer = admin_client.post(page(invoice, "credit"), given)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert KRAInvoice.objects.count() == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"outcome": "yes"}, "type it from there"),
        ({"outcome": "no", "signature": "X"}, "Leave it empty"),
        ({"outcome": "no", "note": ""}, "This field is required"),
        ({"outcome": "maybe"}, "Select a valid choice"),
        ({"outcome": "yes", "signed_at": "yesterday"}, "Enter a valid date/time"),
    ],
)
def test_what_does_not_settle_is_said(
    branch: KRABranch, admin_client: Client, values: dict[str, str], words: str
) -> None:
    row = invoice_row(branch, state=InvoiceState.IN_DOUBT, attention="Look.", number=4)
    answer = admin_client.post(page(row, "settle"), {"note": "By the portal.", **values})
    assert answer.status_code == 200
    assert words in answer.content.decode()


def test_nothing_is_settled_twice(invoice: KRAInvoice, admin_client: Client) -> None:
    answer = admin_client.get(page(invoice, "settle"), follow=True)
    assert "nothing to settle" in answer.content.decode()
