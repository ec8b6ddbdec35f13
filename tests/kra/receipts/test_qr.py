"""The QR code: what it holds, and that a reader reads it from the picture and from the paper."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from integrations.kra.receipts import pdf_of, qr_png, qr_text, receipt_of
from integrations.models import InvoiceState, KRABranch
from tests.kra.receipts.rows import INTERNAL, SIGNATURE, UNIT, branch_row, invoice_row, settings_row
from tests.private_services import require

pytestmark = pytest.mark.django_db
LINK = (
    "https://etims.kra.go.ke/common/link/etims/receipt/indexEtimsReceiptData"
    f"?Data=P051234567X00{SIGNATURE}"
)


@pytest.fixture
def branch(db: None) -> KRABranch:
    settings_row()
    return branch_row()


def read(picture: bytes) -> list[str]:
    return [each.text for each in zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))]


def test_the_link_is_pin_branch_and_signature_without_separators(branch: KRABranch) -> None:
    assert qr_text(invoice_row(branch)) == LINK
    there = qr_text(invoice_row(branch_row(environment="sandbox"), number=2))
    assert there == LINK.replace("//etims.", "//etims-sbx.")


def test_the_text_of_a_vscu(branch: KRABranch) -> None:
    settings_row(branch_code="01", is_main=False, qr_target="text")
    invoice = invoice_row(branch_row(bhf_id="01"))
    assert qr_text(invoice) == f"23112026#101505#{UNIT}#169#{INTERNAL}#{SIGNATURE}"


def test_the_addresses_are_settings(db: None) -> None:
    settings_row(qr_url="https://qr.example.ke/r?d=")
    assert (
        qr_text(invoice_row(branch_row())) == f"https://qr.example.ke/r?d=P051234567X00{SIGNATURE}"
    )


def test_there_is_none_before_the_signature(branch: KRABranch) -> None:
    assert qr_text(invoice_row(branch, state=InvoiceState.REGISTERED)) == ""


def test_a_reader_reads_the_picture(branch: KRABranch) -> None:
    picture = qr_png(qr_text(invoice_row(branch)))
    assert picture.startswith(b"\x89PNG")
    assert read(picture) == [LINK]


@pytest.mark.parametrize("size", ["a4", "roll"])
def test_a_reader_reads_the_paper(branch: KRABranch, tmp_path: Path, size: str) -> None:
    program = require("pdftoppm")
    file = tmp_path / "receipt.pdf"
    file.write_bytes(pdf_of(receipt_of(invoice_row(branch)), size))
    # 203 dots an inch is what thermal printers have.
    subprocess.run([program, "-r", "203", "-png", "-singlefile", file, tmp_path / "page"],
                   check=True)  # fmt: skip
    assert read((tmp_path / "page.png").read_bytes()) == [LINK]
