"""The QR code of a signed receipt: KRA's page about it, or its data as text."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from integrations.kra.receipts.settings import receipt_settings
from integrations.models import Environment, InvoiceState, KRAInvoice
from integrations.models.kra_choices import QrTarget
from integrations.providers.kra.payloads.times import NAIROBI

if TYPE_CHECKING:
    import segno

# A module must stay wider than a thermal head's dot, and a phone must read a worn paper.
SCALE, QUIET_ZONE, ERROR_LEVEL = 6, 4, "m"


def qr_text(invoice: KRAInvoice, values: Mapping[str, Any] | None = None) -> str:
    """What the code holds (reference, section 9); "" until the document is signed.

    The document's own environment chooses the link, whatever the settings say today.
    """
    if invoice.state != InvoiceState.SIGNED or not invoice.signature:
        return ""
    values = values or receipt_settings(invoice)
    if values["qr_target"] == QrTarget.TEXT:
        return _as_text(invoice)
    is_live = invoice.environment == Environment.PRODUCTION
    link = str(values["qr_url" if is_live else "qr_sandbox_url"])
    branch = invoice.branch
    return link + quote(f"{branch.tin}{branch.bhf_id}{invoice.signature}", safe="")


def _as_text(invoice: KRAInvoice) -> str:
    """ddMMyyyy#HHmmss#sdcId#receiptNo#intrlData#rcptSign."""
    moment = (invoice.signed_at or invoice.issued_at).astimezone(NAIROBI)
    parts = (
        f"{moment:%d%m%Y}", f"{moment:%H%M%S}", invoice.control_unit_id,
        str(invoice.receipt_number or ""), invoice.internal_data, invoice.signature,
    )  # fmt: skip
    return "#".join(parts)


def qr_code(text: str) -> segno.QRCode:
    """The code of a text, large or small."""
    import segno

    return segno.make_qr(text, error=ERROR_LEVEL)


def qr_png(text: str, *, scale: int = SCALE) -> bytes:
    """The code as PNG data; `scale` is pixels for each module."""
    file = BytesIO()
    qr_code(text).save(file, kind="png", scale=scale, border=QUIET_ZONE)
    return file.getvalue()


def qr_svg(text: str) -> str:
    """The code as SVG for a page: black on white, so that phones read it in dark themes too."""
    return qr_code(text).svg_inline(scale=4, border=QUIET_ZONE, light="#fff", omitsize=True)
