"""The settings that a receipt is printed by: those of the document's branch, today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.config import get_snapshot
from integrations.exceptions import ConfigurationError, ConfigurationUnavailable
from integrations.models import KRAInvoice, KRASettings

_USED = (
    "trade_name", "receipt_address", "top_message", "bottom_message", "qr_target", "qr_url",
    "qr_sandbox_url",
)  # fmt: skip


def receipt_settings(invoice: KRAInvoice) -> Mapping[str, Any]:
    """The settings of the document's business and branch, also where they are switched off.

    A branch that has no settings any more prints by their defaults: what was signed can always
    be printed. Raises ConfigurationUnavailable when settings can't be read.
    """
    try:
        return get_snapshot("kra", invoice.business, invoice.branch.bhf_id).values
    except ConfigurationUnavailable:
        raise
    except ConfigurationError:
        defaults = KRASettings()
        return {name: getattr(defaults, name) for name in _USED}
