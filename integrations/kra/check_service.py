"""PINs, certificates and compliance, through GavaConnect."""

from __future__ import annotations

from integrations.kra.base_service import ServiceBase


class CheckService(ServiceBase):
    """PINs, certificates and compliance, through GavaConnect."""
