"""Stock movements, purchases and imports."""

from __future__ import annotations

from integrations.kra.base_service import ServiceBase


class StockService(ServiceBase):
    """Stock movements, purchases and imports."""
