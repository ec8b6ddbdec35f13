"""Which URLs may be called at all, judged on their text; addresses are judged by the guard.

Webhooks reference, section 6.2.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

import idna
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from integrations.conf import hub_settings
from integrations.exceptions import ConfigurationError, InvalidInput

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
# A name whose last label is a number is read as an address by some resolvers: 127.1, 0x7f.1.
_NUMERIC_END = re.compile(r"(^|\.)(0x[0-9a-f]*|[0-9]+)$")
_UNSAFE = re.compile(r"[\\\s\x00-\x20\x7f-\x9f]|%5c", re.IGNORECASE)
_INTERNAL = re.compile(
    r"(^|\.)(local|internal|localhost|svc|cluster\.local|consul|lan|home\.arpa|corp|intranet)$"
)


def _refuse(reason: str, *, code: str | None = None) -> InvalidInput:
    return InvalidInput("url", reason, code=code)


def canonical_host(host: str) -> str:
    """The host in the one spelling we compare: IDNA, lower case, addresses round-tripped.

    IPv6 literals come without brackets. Raises InvalidInput for short or odd spellings.
    """
    if "%" in host:
        raise _refuse("the host must not carry a zone or an escape")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        name = host if host.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        raise _refuse("the host is not a valid name") from None
    name = name.lower().removesuffix(".")
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise _refuse("the host is not a valid name")
    if _NUMERIC_END.search(name):
        raise _refuse("the host is an address in an unusual spelling")
    return name


def join_host(host: str, port: int) -> str:
    """`host:port` of a canonical host, IPv6 literals in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _split(url: str) -> SplitResult:
    if not isinstance(url, str) or _UNSAFE.search(url):
        raise _refuse("has spaces, control characters or a backslash")
    try:
        parts = urlsplit(url)
        port, other = parts.port, parse_url(url)
    except (ValueError, HTTPError):
        raise _refuse("is not a valid address") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise _refuse("must begin with https://")
    if "@" in parts.netloc or other.auth is not None:
        raise _refuse("must not hold a user name or password")
    if not parts.hostname:
        raise _refuse("has no host")
    # The parser that we judge by and the one that connects must see the same place.
    if (
        port == 0
        or other.port != port
        or canonical_host(parts.hostname) != canonical_host((other.host or "").strip("[]"))
    ):
        raise _refuse("is ambiguous")
    return parts


def host_port(url: str) -> str:
    """`host:port` of a URL in its canonical spelling, the form in which hosts are compared.

    Default ports are filled in, names are IDNA and lower case, IPv6 literals bracketed. Raises
    InvalidInput for a URL that no call may use.
    """
    parts = _split(url)
    return join_host(
        canonical_host(parts.hostname or ""), parts.port or _DEFAULT_PORTS[parts.scheme]
    )


def allowed_hosts() -> frozenset[str]:
    """The operator's exceptions, OUTBOUND_ALLOWED_HOSTS, read at call time.

    Raises ConfigurationError for an entry that isn't an exact host:port.
    """
    entries = set()
    for entry in hub_settings.outbound_allowed_hosts:
        host, _, port = entry.strip().rpartition(":")
        try:
            entries.add(join_host(canonical_host(host.strip("[]")), int(port)))
        except ValueError:
            raise _bad_entry() from None
        except InvalidInput:
            raise _bad_entry() from None
    return frozenset(entries)


def _bad_entry() -> ConfigurationError:
    return ConfigurationError("OUTBOUND_ALLOWED_HOSTS: each entry must be an exact host:port.")


def check_url(url: str) -> str:
    """`host_port(url)` if its text breaks no rule; for forms, and before every call.

    https on port 443 or from 1024 up, a public name or an address; anything else only where
    OUTBOUND_ALLOWED_HOSTS lists the exact host:port. Raises InvalidInput.
    """
    place = host_port(url)
    if place in allowed_hosts():
        return place
    parts = _split(url)
    host = canonical_host(parts.hostname or "")
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    if parts.scheme != "https":
        raise _refuse("must begin with https://", code="https_required")
    if port != _DEFAULT_PORTS["https"] and port < 1024:
        raise _refuse(f"port {port} is not allowed")
    is_address = ":" in host or _NUMERIC_END.search(host) is not None
    if not is_address and ("." not in host or _INTERNAL.search(host)):
        raise _refuse("names a machine of an internal network")
    return place
