"""Where an endpoint may be: its URL's text, its address, and what its name answers right now.

The truth is found at every send, on the address that is connected; this is fast feedback.
"""

from __future__ import annotations

import ipaddress

from integrations.exceptions import InvalidInput, TransportError
from integrations.outbound import check_typed_url, host_port
from integrations.outbound.guard import vetted_addresses
from integrations.outbound.urls import allowed_hosts

LONGEST_URL = 500
# Seconds; a form waits for it.
LOOKUP_SECONDS = 2.0
_INTERNAL = (
    "its name leads to an internal or reserved network. An operator can allow this exact "
    "host:port in OUTBOUND_ALLOWED_HOSTS"
)


def check_address(field: str, url: object) -> str:
    """`host:port` of a URL whose text breaks no rule.

    https on a public name or address, or what OUTBOUND_ALLOWED_HOSTS lists. Raises InvalidInput
    naming `field`, and ConfigurationError for a bad OUTBOUND_ALLOWED_HOSTS.
    """
    if not isinstance(url, str) or not url.strip():
        raise InvalidInput(field, "is needed", code="required")
    if len(url) > LONGEST_URL:
        raise InvalidInput(field, f"has more than {LONGEST_URL} characters", code="max_length")
    if not (url.isascii() and url.isprintable()):
        reason = "must be ASCII: the host as xn--, other characters percent-encoded"
        raise InvalidInput(field, reason)
    if "#" in url:
        raise InvalidInput(field, "must not have a fragment (#): nothing sends it")
    try:
        check_typed_url(url)
        return host_port(url)
    except InvalidInput as error:
        raise InvalidInput(field, error.reason, code=error.code) from None


def look_up(field: str, url: str) -> str:
    """A warning where the name of a checked URL can't be looked up right now, else "".

    Raises InvalidInput where the name answers with an address that nothing is sent to.
    """
    place = host_port(url)
    host, _, port = place.rpartition(":")
    if place in allowed_hosts() or _is_address(host):
        return ""
    try:
        vetted_addresses(host, int(port), timeout=LOOKUP_SECONDS)
    except TransportError as error:
        if error.code == "blocked_address":
            raise InvalidInput(field, _INTERNAL, code=error.code) from None
        return f"{field}: the name {host} could not be looked up just now. Deliveries wait for it."
    return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
