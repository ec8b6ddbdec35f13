"""What a document said before it was corrected, where KRA may have taken that after all.

A document that was in doubt, and was refused when it was sent again, may be corrected while its
first copy is still on its way. KRA's book then has the first version: it has to be found again,
as it was, and the corrected one must not be signed beside it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.kra.outbox.compare_found import Verdict, verdict_of
from integrations.models import InvoiceState, KRAInvoice
from integrations.providers.kra.client import FoundInvoice

_TEXTS = (
    "kind", "customer_pin", "customer_name", "currency", "reason", "document", "digest",
    "profile", "transport", "body", "original_id",
)  # fmt: skip
_AMOUNTS = ("exchange_rate", "total", "tax", "taxable")


def keep(invoice: KRAInvoice) -> dict[str, Any]:
    """What a correction has to remember, JSON-safe; empty where KRA can't have the old one."""
    if not invoice.events.filter(to_state=InvoiceState.IN_DOUBT).exists():
        return {}
    return {
        **{name: getattr(invoice, name) for name in _TEXTS},
        **{name: str(getattr(invoice, name)) for name in _AMOUNTS},
        "issued_at": invoice.issued_at.isoformat(),
    }


def taken_version(invoice: KRAInvoice, found: FoundInvoice) -> dict[str, Any] | None:
    """The columns of the version that KRA has; {} for the present one, None for none of them."""
    if verdict_of(invoice, found) is Verdict.OURS:
        return {}
    if found.trader_number != invoice.trader_number:
        return None
    for event in invoice.events.filter(kind="corrected").order_by("-id"):
        version = event.data.get("version")
        if version and (version["body"] or {}).get("invcNo") == found.number:
            columns = _read(version)
            former = KRAInvoice(trader_number=invoice.trader_number, **columns)
            if verdict_of(former, found) is Verdict.OURS:
                return columns
    return None


def _read(version: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: version[name] for name in _TEXTS},
        **{name: Decimal(version[name]) for name in _AMOUNTS},
        "issued_at": datetime.fromisoformat(version["issued_at"]),
    }
