"""Which addresses the sandbox listens on and believes."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_authority(authority: str) -> bool:
    """Whether a Host header names this machine, with or without a port.

    A page elsewhere that rebinds its own name to 127.0.0.1 still sends that name here.
    """
    host = authority.strip().lower()
    if host.startswith("["):
        return is_loopback(host[1:].partition("]")[0])
    return is_loopback(host.partition(":")[0])
