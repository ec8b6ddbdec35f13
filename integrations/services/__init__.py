"""The documented import paths, and nothing else.

`from integrations.services import IntegrationConfigService`. Names of other apps (the old
re-exports of `notifications`) are resolved on first use through `offer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.kra.billing import build_kra_invoice_payload_from_billing_document
from integrations.kra.service import KRAService
from integrations.services.config_service import IntegrationConfigService
from integrations.webhooks.delivery_service import WebhookDeliveryService

__all__ = [
    "IntegrationConfigService",
    "KRAService",
    "WebhookDeliveryService",
    "build_kra_invoice_payload_from_billing_document",
    "offer",
]

_offers: dict[str, Callable[[], Any]] = {}


def offer(name: str, load: Callable[[], Any]) -> None:
    """Let another app provide a documented name of this package; `load` runs on first use."""
    _offers[name] = load


def __getattr__(name: str) -> Any:
    load = _offers.get(name)
    if load is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return load()
