"""What stands on a receipt: the reference's worked example, states, credit notes, currencies."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pypdf import PdfReader

from integrations.kra.receipts import html_of, pdf_of, receipt_of
from integrations.kra.receipts.data import Receipt
from integrations.models import InvoiceKind, InvoiceState, KRABranch, KRASettings
from tests.kra.receipts.rows import SIGNATURE, UNIT, branch_row, invoice_row, settings_row

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def branch(db: None) -> KRABranch:
    settings_row()
    return branch_row()


def test_a_signed_sale_shows_the_worked_example(branch: KRABranch) -> None:
    receipt = receipt_of(invoice_row(branch))
    assert (receipt.title, receipt.label, receipt.notices) == ("TAX INVOICE", "NS", ())
    assert receipt.trader.name == "Duka la Mama Njeri"
    assert receipt.trader.legal_name == "Njeri Kamau & Daughters Limited"
    assert (receipt.trader.pin, receipt.trader.branch) == ("P051234567X", "00")
    assert (receipt.taxable, receipt.tax, receipt.total) == (
        D("3460.19"),
        D("382.06"),
        D("3842.25"),
    )
    taxes = {row.tax_type: (row.rate, row.taxable, row.tax) for row in receipt.taxes}
    assert taxes["B"] == (D(16), D("2387.89"), D("382.06"))
    assert taxes["E"] == (D(8), D("0.00"), D("0.00"))
    assert list(taxes) == ["A", "B", "C", "D", "E"]
    assert receipt.discount == D("50.00")
    assert receipt.payment == "Mobile money"
    assert receipt.control_unit is not None
    assert receipt.control_unit.invoice_number == f"{UNIT}/169"
    assert (receipt.top_message, receipt.bottom_message) == ("Karibu", "Asante, karibu tena")


def test_amounts_and_times_of_the_data_are_text(branch: KRABranch) -> None:
    told = receipt_of(invoice_row(branch)).as_dict()
    assert told["total"] == "3842.25"
    assert told["issued_at"] == "2026-11-23T10:15:00+03:00"
    assert told["lines"][1]["discount"] == "50.00"
    assert told["control_unit"]["signed_at"] == "2026-11-23T10:15:05+03:00"


def test_a_credit_note_is_negative_in_print_and_names_its_original(branch: KRABranch) -> None:
    sale = invoice_row(branch)
    note = invoice_row(
        branch, number=2, kind=InvoiceKind.CREDIT_NOTE, reason="06", original=sale,
        trader_number="CN-1",
    )  # fmt: skip
    receipt = receipt_of(note)
    assert (receipt.title, receipt.label) == ("CREDIT NOTE", "NC")
    assert (receipt.total, receipt.tax) == (D("-3842.25"), D("-382.06"))
    assert {line.total < 0 for line in receipt.lines} == {True}
    # Quantities and prices are what they were; only money goes back.
    assert {line.quantity > 0 for line in receipt.lines} == {True}
    assert receipt.original_control_number == f"{UNIT}/169"
    assert receipt.original_trader_number == "INV-001"
    assert receipt.reason == "06 Refund"
    assert receipt_of(note, copy=True).label == "CC"
    # A tax type that is not on it reads 0.00: minus nothing is printed nowhere.
    taxes = [text for row in receipt.taxes for text in (str(row.taxable), str(row.tax))]
    discounts = [str(line.discount) for line in receipt.lines]
    unset = [text for text in (*taxes, *discounts, str(receipt.discount)) if not D(text)]
    assert unset
    assert [text for text in unset if text.startswith("-")] == []


@pytest.mark.parametrize(
    ("state", "label", "word"),
    [
        (InvoiceState.QUEUED, "PS", "PROVISIONAL: not a tax receipt; reprint when signed"),
        (InvoiceState.SENDING, "PS", "PROVISIONAL"),
        (InvoiceState.IN_DOUBT, "PS", "PROVISIONAL"),
        (InvoiceState.REGISTERED, "PS", "PROVISIONAL"),
        (InvoiceState.REJECTED, "PS", "REJECTED"),
        (InvoiceState.NOT_REQUIRED, "", "Not for eTIMS"),
    ],
)
def test_what_is_not_signed_is_no_receipt(
    branch: KRABranch, state: str, label: str, word: str
) -> None:
    row = invoice_row(branch, state=state)
    receipt = receipt_of(row)
    assert receipt.label == label
    assert receipt.notices[0].startswith(word)
    assert (receipt.qr, receipt.control_unit, receipt.is_copy) == ("", None, False)
    # A copy of what is no receipt is none either.
    assert receipt_of(row, copy=True).label == label


def test_copies_examples_and_the_sandbox_are_marked(branch: KRABranch) -> None:
    invoice = invoice_row(branch)
    copy, example = receipt_of(invoice, copy=True), receipt_of(invoice, training=True)
    assert (copy.label, copy.notices, copy.is_copy) == ("CS", ("COPY",), True)
    assert (example.label, example.qr, example.control_unit) == ("TS", "", None)
    assert example.notices == ("TRAINING: not a tax receipt",)
    test = receipt_of(invoice_row(branch_row(environment="sandbox"), number=7))
    assert test.notices == ("SANDBOX: a test, not a tax receipt",)
    assert test.label == "NS"


def test_a_foreign_currency_has_its_own_line(branch: KRABranch) -> None:
    receipt = receipt_of(invoice_row(branch, currency="USD", exchange_rate=D("129.35")))
    assert receipt.foreign is not None
    assert (receipt.foreign.currency, receipt.foreign.rate) == ("USD", D("129.35"))
    assert receipt.foreign.total == D("3842.25")


def test_what_is_excluded_from_etims_is_paid_for_and_marked(branch: KRABranch) -> None:
    excluded = [{"position": 6, "source": 5, "item_code": "AIRTIME", "name": "Airtime",
                 "quantity": "2", "total": "200.00", "paid": "200.00"}]  # fmt: skip
    receipt = receipt_of(invoice_row(branch, excluded=excluded))
    assert (receipt.lines[-1].tax_type, receipt.lines[-1].price) == ("", D("100.00"))
    assert (receipt.excluded, receipt.total) == (D("200.00"), D("4042.25"))
    assert (receipt.taxable, receipt.tax) == (D("3460.19"), D("382.06"))


def test_a_reprint_says_what_was_sent_and_not_what_the_settings_say_today(
    branch: KRABranch,
) -> None:
    sent = {"receipt": {"trdeNm": "The old name", "adrs": None, "topMsg": None, "btmMsg": "Bye"}}
    receipt = receipt_of(invoice_row(branch, body=sent))
    assert receipt.trader.name == "The old name"
    assert (receipt.trader.address, receipt.top_message) == ("", "")
    assert receipt.bottom_message == "Bye"


def test_what_was_signed_prints_when_its_settings_are_gone(branch: KRABranch) -> None:
    invoice = invoice_row(branch)
    KRASettings.objects.all().delete()
    receipt = receipt_of(invoice)
    assert receipt.trader.name == "Njeri Kamau & Daughters Limited"
    assert receipt.qr.endswith(SIGNATURE)


def test_prices_without_tax_say_so(branch: KRABranch) -> None:
    receipt = receipt_of(invoice_row(branch, profile="all_net"))
    assert receipt.is_net
    for text in (html_of(receipt), pdf_text(receipt)):
        assert "+ tax" in text
    assert "+ tax" not in html_of(receipt_of(invoice_row(branch, number=2)))


def pdf_text(receipt: Receipt) -> str:
    reader = PdfReader(io.BytesIO(pdf_of(receipt, "roll")))
    return reader.pages[0].extract_text()


def test_days_are_nairobis(branch: KRABranch) -> None:
    late = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)
    told = receipt_of(invoice_row(branch, issued_at=late)).as_dict()
    assert told["issued_at"] == "2026-11-23T01:30:00+03:00"
