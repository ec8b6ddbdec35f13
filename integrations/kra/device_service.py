"""The control unit of a branch, and the credentials."""

from __future__ import annotations

from integrations.kra.base_service import ServiceBase


class DeviceService(ServiceBase):
    """The control unit of a branch, and the credentials."""
