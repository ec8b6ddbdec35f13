"""Originals and copies: one original, whoever asks at the same time."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from integrations.exceptions import InvalidInput
from integrations.kra.receipts import hand_out, render_html
from integrations.kra.receipts.data import Receipt
from integrations.kra.service import KRAService
from integrations.models import InvoiceState, KRABranch, KRAInvoice
from tests.kra.receipts.rows import branch_row, invoice_row, settings_row


@pytest.fixture
def branch(db: None) -> KRABranch:
    settings_row()
    return branch_row()


def label(receipt: Receipt) -> str:
    return receipt.label


def printed(invoice: KRAInvoice) -> int:
    return KRAInvoice.objects.values_list("times_printed", flat=True).get(pk=invoice.pk)


def test_the_first_is_the_original_and_every_further_one_a_copy(branch: KRABranch) -> None:
    invoice = invoice_row(branch)
    assert [hand_out(invoice, label) for _ in range(3)] == ["NS", "CS", "CS"]
    assert printed(invoice) == 3
    assert list(invoice.events.values_list("kind", flat=True)) == ["printed", "copied", "copied"]


def test_a_copy_takes_the_original_from_nobody(branch: KRABranch) -> None:
    invoice = invoice_row(branch)
    assert hand_out(invoice, label, copy=True) == "CS"
    assert printed(invoice) == 0
    assert hand_out(invoice, label, copy=False) == "NS"
    with pytest.raises(InvalidInput) as error:
        hand_out(invoice, label, copy=False)
    assert error.value.code == "already_printed"


def test_what_is_not_signed_is_not_counted(branch: KRABranch) -> None:
    invoice = invoice_row(branch, state=InvoiceState.IN_DOUBT)
    assert "PROVISIONAL" in render_html(invoice)
    assert (printed(invoice), invoice.events.count()) == (0, 0)


def test_a_rendering_that_fails_leaves_the_original_to_come(branch: KRABranch) -> None:
    invoice = invoice_row(branch)
    with pytest.raises(ZeroDivisionError):
        hand_out(invoice, lambda _receipt: 1 / 0)
    assert printed(invoice) == 0


@pytest.mark.django_db(transaction=True)
def test_two_at_once_give_one_original(db: None) -> None:
    settings_row()
    invoice = invoice_row(branch_row())
    met = threading.Barrier(2, timeout=10)
    found: list[str] = []

    def ask() -> None:
        def slowly(receipt: Receipt) -> str:
            # Both have rendered an original before either takes it.
            if receipt.label == "NS":
                met.wait()
            return receipt.label

        try:
            found.append(hand_out(invoice, slowly))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(found) == ["CS", "NS"]
    assert printed(invoice) == 2


def test_the_service_gives_every_format(branch: KRABranch) -> None:
    invoice = invoice_row(branch)
    service = KRAService()
    done, page = service.get_receipt("INV-001")
    assert done
    assert "COPY" not in page
    done, paper = service.get_receipt(str(invoice.public_id), format="pdf", size="roll")
    assert done
    assert paper.startswith(b"%PDF")
    done, picture = service.get_receipt("INV-001", format="png")
    assert done
    assert picture.startswith(b"\x89PNG")
    done, data = service.get_receipt("INV-001", format="data")
    assert done
    assert data["total"] == "3842.25"
    # The code and the data are no receipts.
    assert printed(invoice) == 2


@pytest.mark.parametrize(
    ("arguments", "field", "code"),
    [
        ({"reference": "INV-404"}, "reference", "unknown_invoice"),
        ({"reference": ""}, "reference", "invalid_input"),
        ({"reference": None}, "reference", "invalid_input"),
        ({"reference": "INV-001", "format": "docx"}, "format", "invalid_input"),
        ({"reference": "INV-001", "size": "a3"}, "size", "invalid_input"),
        ({"reference": "INV-001", "copy": "yes"}, "copy", "invalid_input"),
        ({"reference": "INV-002", "format": "png"}, "reference", "not_signed"),
    ],
)
def test_what_can_not_be_printed_is_said(
    branch: KRABranch, arguments: dict[str, Any], field: str, code: str
) -> None:
    invoice_row(branch)
    invoice_row(branch, number=2, state=InvoiceState.QUEUED)
    done, message = KRAService().get_receipt(**arguments)
    assert (done, message.field, message.code) == (False, field, code)


def test_another_businesss_invoice_does_not_exist(branch: KRABranch) -> None:
    invoice_row(branch)
    assert KRAService("other").get_receipt("INV-001")[0] is False
    assert KRAService(branch="01").get_receipt("INV-001")[0] is False
