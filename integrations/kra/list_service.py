"""KRA's lists, kept here, and the catalogue of items."""

from __future__ import annotations

from integrations.kra.base_service import ServiceBase


class ListService(ServiceBase):
    """KRA's lists, kept here, and the catalogue of items."""
