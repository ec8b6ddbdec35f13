"""The conversation with KRA: eTIMS by its three transports, and GavaConnect."""

from __future__ import annotations

from integrations.providers.kra.client.connection import Connection, Reply, rate_of
from integrations.providers.kra.client.device import DeviceCalls, DeviceInfo
from integrations.providers.kra.client.endpoints import OPERATIONS, path_of, read_paths
from integrations.providers.kra.client.errors import EtimsRefused, are_keys_refused
from integrations.providers.kra.client.sales import FoundInvoice, SaleCalls, SaleReply
from integrations.providers.kra.client.tokens import credential_of, fetch_token

__all__ = [
    "OPERATIONS",
    "Connection",
    "DeviceInfo",
    "EtimsClient",
    "EtimsRefused",
    "FoundInvoice",
    "Reply",
    "SaleReply",
    "are_keys_refused",
    "credential_of",
    "fetch_token",
    "path_of",
    "rate_of",
    "read_paths",
]


class EtimsClient(SaleCalls, DeviceCalls):
    """eTIMS with one row's credentials, by the row's transport. Cheap to make."""
