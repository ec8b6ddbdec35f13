"""Receipts of documents, for ERP code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from integrations.exceptions import InvalidInput
from integrations.kra import receipts
from integrations.kra.answers import Answer, answer
from integrations.kra.base_service import ServiceBase
from integrations.models import KRAInvoice

FORMATS = ("html", "pdf", "png", "data")


class ReceiptService(ServiceBase):
    """Receipts of documents: page, PDF, QR code, data."""

    def get_receipt(
        self, reference: str, format: str = "html", *, copy: bool | None = None,  # noqa: A002
        size: str = "a4",
    ) -> Answer:  # fmt: skip
        """The receipt of a document, by the ERP's number or our id.

        `format`: "html" (a page, as text) or "pdf" (bytes; `size` "a4" or "roll") hand the receipt
        out, the first as the original and every further one as a copy; "png" is the QR code
        (bytes) and "data" a dict of everything that is printed. `copy`: True for a marked copy,
        False to have the original or nothing. Provisional until the document is signed.
        """
        return answer(lambda: self._receipt(reference, format, copy, size))

    def _receipt(self, reference: Any, form: Any, copy: Any, size: Any) -> Any:
        if form not in FORMATS:
            raise InvalidInput("format", f"must be one of {', '.join(FORMATS)}.")
        if copy is not None and not isinstance(copy, bool):
            raise InvalidInput("copy", "must be true, false or left out.")
        if size not in receipts.SIZES:
            raise InvalidInput("size", f"must be one of {', '.join(receipts.SIZES)}.")
        invoice = self._document(reference)
        makers: dict[str, Callable[[], Any]] = {
            "html": lambda: receipts.render_html(invoice, copy=copy),
            "pdf": lambda: receipts.render_pdf(invoice, copy=copy, size=size),
            "png": lambda: _png(invoice),
            "data": lambda: receipts.receipt_of(invoice, copy=bool(copy)).as_dict(),
        }
        return makers[form]()

    def _document(self, reference: Any) -> KRAInvoice:
        """Of this business (and branch, where one was named); raises InvalidInput."""
        if not isinstance(reference, str | UUID) or not str(reference).strip():
            raise InvalidInput("reference", "must be the number of an invoice, or its id.")
        text = str(reference).strip().replace("\x00", "")
        rows = KRAInvoice.objects.select_related("branch", "original").filter(
            business=self.business
        )
        if self.branch:
            rows = rows.filter(branch__bhf_id=self.branch)
        found: KRAInvoice | None = None
        with suppress(ValueError):
            found = rows.filter(public_id=UUID(text)).first()
        found = found or rows.filter(trader_number=text).order_by("-pk").first()
        if found is None:
            raise InvalidInput(
                "reference", "no invoice has this number or id.", code="unknown_invoice"
            )
        return found


def _png(invoice: KRAInvoice) -> bytes:
    text = receipts.qr_text(invoice)
    if not text:
        raise InvalidInput("reference", "the invoice is not signed yet; it has no QR code.",
                           code="not_signed")  # fmt: skip
    return receipts.qr_png(text)
