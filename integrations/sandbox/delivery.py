"""Posting callbacks the way a provider does: one attempt, no redirects."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from integrations.providers.emulation import Delivery
from integrations.sandbox.addresses import is_loopback

TIMEOUT = 10.0  # seconds
_LONGEST_ANSWER = 65536  # bytes of an answer that are read


def post_once(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    may_leave: bool = False,
    timeout: float = TIMEOUT,
) -> Delivery:
    """Post the body; the status and the answer, or why there is none. Never raises.

    `may_leave` allows hosts other than this machine; without it they are not contacted.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not may_leave and not is_loopback(host):
        return Delivery(None, "not sent: the sandbox does not leave this machine")
    connection = _connect(parts.scheme, host, parts.port, timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body=body, headers=dict(headers))
        response = connection.getresponse()
        told = response.read(_LONGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        return Delivery(None, type(error).__name__)
    except ValueError:
        return Delivery(None, "not sent: the address can't be used")
    finally:
        connection.close()
    return Delivery(response.status, body=told)


def _connect(
    scheme: str, host: str, port: int | None, timeout: float
) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout)
