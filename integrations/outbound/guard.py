"""The address guard: which addresses no call may reach, judged where we connect.

The explicit list of the webhooks reference, section 6.1: Python's `is_private` and friends miss
several of these and differ between patch releases.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from integrations.exceptions import InvalidInput, TransportError
from integrations.outbound.resolver import Address, lookup
from integrations.outbound.urls import allowed_hosts, canonical_host, check_url, join_host

_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared address space; holds Alibaba's metadata 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure host service, of a publicly routable class
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::/8",  # ::ffff:0:0/96 is unwrapped first
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",  # Teredo, ORCHID and others
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


def is_forbidden(address: str) -> bool:
    """Whether an IP address (as the socket has it) is not one of the public internet.

    What can't be read as an address is forbidden.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(ip, ipaddress.IPv6Address):
        mapped = ip.ipv4_mapped
        if mapped is None:
            return any(ip in network for network in _V6)
        ip = mapped
    return any(ip in network for network in _V4)


def _is_exempt(host: str, port: int) -> bool:
    try:
        return join_host(canonical_host(host.strip("[]")), port) in allowed_hosts()
    except InvalidInput:  # an odd spelling is nobody's exception
        return False


def vetted_addresses(host: str, port: int, *, timeout: float) -> list[Address]:
    """The addresses of `host`, looked up once; connect to exactly these and to nothing else.

    Raises TransportError(sent=False): "dns" where the lookup fails or exceeds `timeout`
    seconds, "blocked_address" where ANY address is forbidden. OUTBOUND_ALLOWED_HOSTS exempts an
    exact host:port, DEBUG exempts nothing. Which address it was stays in the operator's log.
    """
    addresses = lookup(host, port, timeout=timeout)
    if not _is_exempt(host, port):
        refuse_forbidden(str(address.sockaddr[0]) for address in addresses)
    return addresses


def check_typed_url(url: str) -> None:
    """What a form can say at once of a URL: `check_url`, and the address where its host is one.

    A name is looked up at every call and not here, so that settings can be saved while it can't
    be. Raises InvalidInput, and ConfigurationError for a bad OUTBOUND_ALLOWED_HOSTS.
    """
    place = check_url(url)
    if place in allowed_hosts():
        return
    try:
        refuse_forbidden_literal(place)
    except TransportError as error:
        reason = (
            "it belongs to an internal or reserved network. An operator can allow this exact "
            "host:port in OUTBOUND_ALLOWED_HOSTS"
        )
        raise InvalidInput("url", reason, code=error.code) from None


def refuse_forbidden_literal(place: str) -> None:
    """`refuse_forbidden` for a `host:port` whose host is an address; a name passes."""
    host = place.rpartition(":")[0].strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    refuse_forbidden([host])


def refuse_forbidden(addresses: Iterable[str]) -> None:
    """Raise TransportError(sent=False, code "blocked_address") if any address is forbidden."""
    if any(is_forbidden(address) for address in addresses):
        raise TransportError(
            "The host's address belongs to an internal or reserved network; the call was not "
            "made. An operator can allow this exact host:port in OUTBOUND_ALLOWED_HOSTS.",
            sent=False,
            code="blocked_address",
        )
