"""What happens after too many failed logins: who is counted together, and what they are told."""

from __future__ import annotations

import ipaddress
import math
from typing import Any

from axes.helpers import get_cool_off
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from integrations.callbacks.source import client_address

TOO_MANY_REQUESTS = 429
# One household or office gets so many addresses; counting each would count nothing.
_IPV6_PREFIX = 64


def counted_address(request: HttpRequest) -> str | None:
    """The address that failures are counted for: behind our own proxies, as for callbacks."""
    text = client_address(request)
    if not text:
        return None
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((address, _IPV6_PREFIX), strict=False).network_address)


def client_in_logs(
    _username: str | None, ip_address: str | None, *_more: Any, **_named: Any
) -> str:
    """How log lines call somebody who logs in: by address, never by name."""
    return f"address {ip_address or 'unknown'}"


def locked_out(
    request: HttpRequest, _response: HttpResponse | None = None, _credentials: Any = None
) -> HttpResponse:
    """The answer to a login that is not even tried: 429, and when to come back."""
    pause = get_cool_off(request)
    seconds = int(pause.total_seconds()) if pause else 0
    context = {
        **admin.site.each_context(request),
        "title": "Log in",
        "minutes": math.ceil(seconds / 60),
    }
    response = render(request, "admin/locked_out.html", context, status=TOO_MANY_REQUESTS)
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    return response
