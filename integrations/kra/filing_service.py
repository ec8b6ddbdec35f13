"""NIL returns and withholding tax, through GavaConnect."""

from __future__ import annotations

from integrations.kra.base_service import ServiceBase


class FilingService(ServiceBase):
    """NIL returns and withholding tax, through GavaConnect."""
