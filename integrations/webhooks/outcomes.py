"""What the end of a transfer means, in an outcome and a sentence for the endpoint's owner.

libcurl's texts name addresses, so they are shown only for TLS, where they name certificates.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

import pycurl

from integrations.exceptions import InvalidInput
from integrations.models import AttemptOutcome
from integrations.outbound.urls import canonical_host
from integrations.webhooks.handles import Handle
from integrations.webhooks.targets import NOT_ALLOWED

_TLS = frozenset(
    {
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CIPHER,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_SSL_INVALIDCERTSTATUS,
        pycurl.E_SSL_PINNEDPUBKEYNOTMATCH,
        pycurl.E_USE_SSL_FAILED,
    }
)
_OURS = frozenset(
    {
        pycurl.E_SSL_ENGINE_NOTFOUND,
        pycurl.E_SSL_ENGINE_SETFAILED,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_OUT_OF_MEMORY,
        pycurl.E_FAILED_INIT,
        pycurl.E_URL_MALFORMAT,
        pycurl.E_BAD_FUNCTION_ARGUMENT,
    }
)
_NO_HTTP = frozenset({pycurl.E_UNSUPPORTED_PROTOCOL, pycurl.E_HTTP_POST_ERROR, 8})
_MOST_HEADERS = 100


def parse_headers(lines: Iterable[bytes]) -> dict[str, str]:
    """The fields of the last header block, names in lower case; trailers are left out."""
    headers: dict[str, str] = {}
    is_open, is_first = False, True
    for line in lines:
        if is_first and line[:5] == b"HTTP/":
            headers, is_open, is_first = {}, True, False
        elif len(line) <= 2:  # the empty line that ends a block
            is_open, is_first = False, True
        elif is_open and len(headers) < _MOST_HEADERS:
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                name, value = name.strip().lower(), value.strip()
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def final_status(handle: Handle) -> int | None:
    """The status that the receiver ended with; None for none, and for 1xx alone."""
    status = int(handle.curl.getinfo(pycurl.RESPONSE_CODE))
    return status if status >= 200 or status == 101 else None


def with_status(
    handle: Handle, status: int, code: int, headers: dict[str, str]
) -> tuple[AttemptOutcome, str]:
    """The meaning of an answer: its status alone decides."""
    rest = _rest(handle, code) if code else ""
    if 200 <= status < 300:
        return AttemptOutcome.DELIVERED, rest
    if 300 <= status < 400 and "location" in headers:
        text = f"Answered {status}, a redirect to {_host(headers['location'])}; not followed."
        return AttemptOutcome.REDIRECT, text
    return AttemptOutcome.HTTP_ERROR, f"Answered {status}. {rest}".rstrip()


def _rest(handle: Handle, code: int) -> str:
    if handle.is_cut:
        return "The answer was too long and was not read to its end."
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return "The end of the answer did not come in time."
    return "The end of the answer was lost or malformed."


def _host(location: str) -> str:
    try:
        host = urlsplit(location).hostname
        return canonical_host(host) if host else "the same host"
    except (InvalidInput, ValueError):
        return "an odd address"


def without_status(handle: Handle, code: int, text: str) -> tuple[AttemptOutcome, str]:
    """The meaning of a transfer that brought no final status."""
    if handle.refused and not handle.opened:
        return NOT_ALLOWED.outcome, NOT_ALLOWED.reason
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return _timed_out(handle)
    if code == pycurl.E_COULDNT_RESOLVE_HOST:
        return AttemptOutcome.DNS, "The host's name was not found."
    if code == pycurl.E_COULDNT_CONNECT:
        return AttemptOutcome.CONNECT, "The host did not accept a connection."
    if code == pycurl.E_SSL_CERTPROBLEM:
        return AttemptOutcome.CONFIGURATION, "The client certificate or its key can't be used."
    if code in _TLS:
        return AttemptOutcome.TLS, f"TLS failed: {text[:200].strip()}"
    if code in _OURS:
        return AttemptOutcome.CONFIGURATION, "The hub could not send this; its operator can tell."
    if code in _NO_HTTP:
        return AttemptOutcome.LOST, "The answer was not HTTP."
    if handle.is_cut:
        return AttemptOutcome.LOST, "The headers were too long, without a final status."
    return AttemptOutcome.LOST, "The connection was lost before an answer came."


def _timed_out(handle: Handle) -> tuple[AttemptOutcome, str]:
    curl, parcel, target = handle.curl, handle.trip.parcel, handle.trip.target
    if curl.getinfo(pycurl.PRETRANSFER_TIME) > 0:
        return AttemptOutcome.TIMEOUT, f"No answer within {parcel.timeout:g} s."
    if target.is_tls and curl.getinfo(pycurl.CONNECT_TIME) > 0:
        return AttemptOutcome.TLS, "The TLS handshake did not end in time."
    return AttemptOutcome.CONNECT, "No connection came about in time."
