"""The page and the PDF: every text is there, long names wrap, many lines go over pages."""

from __future__ import annotations

import io
import re

import pytest
from pypdf import PdfReader

from integrations.kra.receipts import html_of, pdf_of, receipt_of
from integrations.kra.receipts.data import Receipt
from integrations.models import InvoiceKind, InvoiceState, KRABranch, KRAInvoice
from tests.kra.receipts.rows import UNIT, branch_row, invoice_row, line_of, settings_row

pytestmark = pytest.mark.django_db
MM = 72 / 25.4
NAMES = "Zoë Łukasz Nguyễn Văn Ngũgĩ wa Thiong’o Šimůnek Ærø Ğ"
LONG = "Maziwa ya mtindi " * 11
UNBROKEN = "X" * 190
HOSTILE = "<script>alert(1)</script> & 'co' \"x\""


@pytest.fixture
def branch(db: None) -> KRABranch:
    settings_row()
    return branch_row()


def receipt_with(branch: KRABranch, *names: str, count: int = 1) -> Receipt:
    KRAInvoice.objects.all().delete()
    rows = [("2", "1160.00", "B", "0.00", "320.00", "2320.00")] * max(len(names), count)
    lines = [line_of(at, row, names[at - 1] if at <= len(names) else "")
             for at, row in enumerate(rows, start=1)]  # fmt: skip
    return receipt_of(invoice_row(branch, lines=lines, customer_name=NAMES))


def pages(receipt: Receipt, size: str) -> PdfReader:
    return PdfReader(io.BytesIO(pdf_of(receipt, size)))


def text_of(reader: PdfReader) -> str:
    return "\n".join(page.extract_text() for page in reader.pages)


@pytest.mark.parametrize("size", ["a4", "roll"])
def test_the_paper_carries_everything_of_the_layout(branch: KRABranch, size: str) -> None:
    reader = pages(receipt_of(invoice_row(branch)), size)
    text = text_of(reader)
    for wanted in (
        "Duka la Mama Njeri", "P051234567X", "TAX INVOICE", "Zoë Ångström", "A123456789B",
        "2,320.00", "3,842.25", "2,387.89", "382.06", "16%", "SCU", UNIT, f"{UNIT}/169",
        "169/259 NS", "TE68-SLA2-345Q-MNBV-CXZ2-345A-BC", "V249-J39C-FJ48-HE2W", "2026-11-23",
        "10:15:05", "INV-001", "Karibu", "Asante, karibu tena", "50.00",
    ):  # fmt: skip
        assert wanted in text, wanted
    assert "COPY" not in text
    assert reader.metadata is not None
    assert reader.metadata.title == "TAX INVOICE INV-001"


@pytest.mark.parametrize("size", ["a4", "roll"])
def test_copies_credit_notes_and_provisional_ones_say_so(branch: KRABranch, size: str) -> None:
    sale = invoice_row(branch)
    assert "COPY" in text_of(pages(receipt_of(sale, copy=True), size))
    note = invoice_row(branch, number=2, kind=InvoiceKind.CREDIT_NOTE, original=sale, reason="06")
    text = text_of(pages(receipt_of(note), size))
    assert "-3,842.25" in text
    assert f"{UNIT}/169" in text
    open_one = invoice_row(branch, number=3, state=InvoiceState.QUEUED)
    text = " ".join(text_of(pages(receipt_of(open_one), size)).split())
    assert "PROVISIONAL: not a tax receipt; reprint when signed" in text
    assert "SCU" not in text


@pytest.mark.parametrize("size", ["a4", "roll"])
def test_every_latin_letter_prints_and_others_leave_a_mark(branch: KRABranch, size: str) -> None:
    text = " ".join(text_of(pages(receipt_with(branch, "Chai 茶 ya maziwa\x07"), size)).split())
    assert NAMES in text
    assert "Chai ? ya maziwa" in text


@pytest.mark.parametrize("size", ["a4", "roll"])
def test_long_names_wrap_inside_the_paper(branch: KRABranch, size: str) -> None:
    reader = pages(receipt_with(branch, LONG, UNBROKEN), size)
    text = text_of(reader)
    assert re.sub(r"\s", "", LONG) in re.sub(r"\s", "", text)
    assert text.count("X") >= 190
    width = float(reader.pages[0].mediabox.width)
    for page in reader.pages:
        page.extract_text(visitor_text=lambda _t, _cm, tm, _f, _s: inside(tm[4], width))


def inside(x: float, width: float) -> None:
    assert 0 <= x <= width


def test_two_hundred_lines_go_over_pages_with_heads_and_numbers(branch: KRABranch) -> None:
    reader = pages(receipt_with(branch, count=200), "a4")
    count = len(reader.pages)
    assert count > 3
    texts = [page.extract_text() for page in reader.pages]
    for at, text in enumerate(texts, start=1):
        assert f"Page {at} of {count}" in text
        assert "PIN P051234567X" in text
    assert all("Quantity" in text and "continued" in text for text in texts[1:-1])
    assert all(f"KE2NTNO{at:07d}" in "".join(texts) for at in range(1, 201))


def test_a_roll_is_as_long_as_the_receipt(branch: KRABranch) -> None:
    short = pages(receipt_of(invoice_row(branch)), "roll").pages
    long = pages(receipt_with(branch, count=200), "roll").pages
    assert len(short) == len(long) == 1
    assert float(short[0].mediabox.width) == pytest.approx(80 * MM, abs=0.01)
    assert float(long[0].mediabox.height) > 4 * float(short[0].mediabox.height)
    # Readers of PDF open no page of more than 14,400 points.
    longest = pages(receipt_with(branch, *[LONG] * 300), "roll").pages
    assert len(longest) > 1
    assert all(float(page.mediabox.height) <= 14_400 for page in longest)


def test_the_same_receipt_is_the_same_file(branch: KRABranch) -> None:
    receipt = receipt_of(invoice_row(branch))
    assert pdf_of(receipt) == pdf_of(receipt)


def test_the_page_escapes_and_loads_nothing(branch: KRABranch) -> None:
    page = html_of(receipt_with(branch, HOSTILE))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<svg" in page
    assert not re.search(r"(src|href)=|url\(|@import", page)
    for wanted in ("Ngũgĩ", "V249-J39C-FJ48-HE2W", f"{UNIT}/169", "TOTAL KES", "@media print"):
        assert wanted in page
