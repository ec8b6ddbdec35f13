"""The public address that M-Pesa calls back: what it would refuse or could never reach.

Source: Daraja reference, sections 4 and 8.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from integrations.exceptions import ConfigurationError

# Words that Daraja's URL rules forbid anywhere in a callback URL (section 8 [3+]).
FORBIDDEN_WORDS = ("mpesa", "m-pesa", "safaricom", "exe", "cmd", "sql", "query")


def check_callback_base(url: str, environment: str) -> str:
    """The public base that callback URLs start with, without a slash at the end.

    Raises ConfigurationError for what M-Pesa would refuse or could never reach: no URL, plain
    http or a private address in production, forbidden words, spaces, a query or a login.
    """
    base = url.strip().rstrip("/")
    if not base:
        raise ConfigurationError(
            "No callback address: set PUBLIC_BASE_URL, or callback_base_url in the settings.",
            code="no_callback_url",
        )
    parts = _split(base)
    if parts.username is not None or "?" in base or "#" in base:
        raise _bad_base("it must be a plain address without login, query or fragment.")
    if environment == "production":
        if parts.scheme != "https":
            raise _bad_base("in production it must begin with https://.")
        if not is_public(parts.hostname or ""):
            raise _bad_base(f"M-Pesa can't reach {parts.hostname}: it is not a public host.")
    check_callback_words(base)
    return base.replace(parts.netloc, parts.netloc.lower(), 1)


def check_callback_words(url: str) -> None:
    """Raise ConfigurationError when the URL has a word that M-Pesa forbids in it."""
    found = [word for word in FORBIDDEN_WORDS if word in url.lower()]
    if found:
        raise _bad_base(f"M-Pesa forbids the word {found[0]!r} in it.")


def _split(base: str) -> SplitResult:
    try:
        parts = urlsplit(base)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_address = is_address and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or re.search(r"\s", base):
        raise _bad_base("it is not a web address.")
    return parts


def _bad_base(reason: str) -> ConfigurationError:
    return ConfigurationError(f"The callback address can't be used: {reason}", code="callback_url")


def is_public(host: str) -> bool:
    """Whether the internet may reach a host of this name or address; nobody is asked."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".localhost", ".lan"))
