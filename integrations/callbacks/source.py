"""The address a request came from, with proxies believed only where configured."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The nearest address that is not one of our own proxies; "" where there is none.

    `X-Forwarded-For` is read from the right, and only past addresses in TRUSTED_PROXIES:
    anything further left was written by whoever sent the request.
    """
    address = str(request.META.get("REMOTE_ADDR") or "")
    hops = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    while hops and _is_trusted(address):
        candidate = hops.pop()
        if not _parse(candidate):
            break
        address = candidate
    return address if _parse(address) else ""


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_trusted(text: str) -> bool:
    address = _parse(text)
    if address is None:
        return False
    return any(address in ipaddress.ip_network(p, strict=False) for p in settings.TRUSTED_PROXIES)
