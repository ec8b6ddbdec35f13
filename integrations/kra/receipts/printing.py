"""Handing receipts out: the first one of a signed document is the original, all others copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction
from django.db.models import F

from integrations.exceptions import InvalidInput
from integrations.kra.receipts.build import receipt_of
from integrations.kra.receipts.data import Receipt
from integrations.models import InvoiceState, KRAInvoice, KRAInvoiceEvent

Made = TypeVar("Made")
PRINTED, COPIED = "printed", "copied"


def hand_out(
    invoice: KRAInvoice, render: Callable[[Receipt], Made], *, copy: bool | None = None
) -> Made:
    """Render the receipt and count it; the rendering is done before anything is counted.

    `copy`: None gives the original to whoever asks first and copies to everybody after; True
    gives a marked copy, which takes the original from nobody; False demands the original, and
    raises InvalidInput ("already_printed") once it was handed out. A document that is not signed
    has a provisional receipt, which is not counted.
    """
    if invoice.state != InvoiceState.SIGNED:
        return render(receipt_of(invoice))
    if copy is not True and not _is_printed(invoice):
        made = render(receipt_of(invoice))
        if _take_original(invoice):
            return made
    if copy is False:
        raise InvalidInput(
            "copy", "the original was handed out already; ask for a copy.", code="already_printed"
        )
    made = render(receipt_of(invoice, copy=True))
    _count_copy(invoice)
    return made


def _is_printed(invoice: KRAInvoice) -> bool:
    return KRAInvoice.objects.filter(pk=invoice.pk, times_printed__gt=0).exists()


def _take_original(invoice: KRAInvoice) -> bool:
    """Whether this caller has it: of two at once, the database lets one."""
    with transaction.atomic():
        rows = KRAInvoice.objects.filter(pk=invoice.pk, times_printed=0)
        if not rows.update(times_printed=1):
            return False
        KRAInvoiceEvent.objects.create(
            invoice=invoice, kind=PRINTED, text="The original of the receipt was handed out."
        )
    return True


def _count_copy(invoice: KRAInvoice) -> None:
    """A copy that was asked for before the original leaves the original to come."""
    rows = KRAInvoice.objects.filter(pk=invoice.pk)
    with transaction.atomic():
        rows.filter(times_printed__gt=0).update(times_printed=F("times_printed") + 1)
        KRAInvoiceEvent.objects.create(
            invoice=invoice, kind=COPIED, text="A copy of the receipt was handed out."
        )
