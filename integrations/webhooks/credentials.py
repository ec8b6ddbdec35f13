"""What the hub shows an endpoint of itself, besides the signature: headers, token, certificate.

Revealed secrets: they stay in the memory of the process that sends.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from integrations.crypto import MASK
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import WebhookEndpoint
from integrations.models.webhook_endpoint import EndpointAuth
from integrations.outbound import host_port
from integrations.webhooks.echoes import secrets_sent
from integrations.webhooks.headers import parse_static_headers


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """How an access token is had (OAuth 2 client credentials, RFC 6749 section 4.4)."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str
    place: str
    business: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """Headers as they are sent and as they may be shown; PEM bytes of the client certificate.

    `secrets` is what an answer must not show of them.
    """

    headers: dict[str, str] = field(repr=False)
    shown: dict[str, str]
    token_request: TokenRequest | None = None
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


def credentials_of(endpoint: WebhookEndpoint) -> Credentials:
    """The endpoint's credentials, decrypted.

    Raises DecryptionError; ConfigurationError where a part is missing, and "host_not_confirmed"
    where they were typed for another host; InvalidInput for what can't be sent.
    """
    is_authorized = endpoint.auth != EndpointAuth.NONE
    static = parse_static_headers(endpoint.static_headers.reveal(), is_authorized=is_authorized)
    # A User-Agent of the operator's takes the place of ours.
    headers = {
        "User-Agent" if name.lower() == "user-agent" else name: static[name] for name in static
    }
    shown = dict.fromkeys(headers, MASK)
    token_request = None
    if endpoint.auth == EndpointAuth.BASIC:
        headers["Authorization"] = _basic(endpoint)
        shown["Authorization"] = f"Basic {MASK}"
    elif endpoint.auth == EndpointAuth.OAUTH2:
        token_request = _token_request(endpoint)
        shown["Authorization"] = f"Bearer {MASK}"
    certificate, key = _pem(endpoint)
    if static or is_authorized or certificate:
        _require_host(endpoint, endpoint.url, position=0)
    secrets = secrets_sent(headers.values())
    return Credentials(headers, shown, token_request, certificate, key, secrets)


def _basic(endpoint: WebhookEndpoint) -> str:
    name = endpoint.username
    if ":" in name or not name:
        raise InvalidInput("username", "must be set and hold no colon")
    pair = f"{name}:{endpoint.password.reveal()}".encode()
    if any(byte < 32 or byte == 127 for byte in pair):
        raise InvalidInput("password", "holds control characters")
    return "Basic " + base64.b64encode(pair).decode()


def _token_request(endpoint: WebhookEndpoint) -> TokenRequest:
    if not (endpoint.token_url and endpoint.client_id and endpoint.client_secret):
        raise ConfigurationError("The endpoint needs token URL, client id and client secret.")
    return TokenRequest(
        url=endpoint.token_url,
        client_id=endpoint.client_id,
        client_secret=endpoint.client_secret.reveal(),
        scope=endpoint.token_scope,
        place=_require_host(endpoint, endpoint.token_url, position=1),
        business=endpoint.business,
    )


def _pem(endpoint: WebhookEndpoint) -> tuple[bytes | None, bytes | None]:
    certificate, key = endpoint.client_certificate, endpoint.client_key.reveal()
    if bool(certificate) != bool(key):
        raise ConfigurationError("The endpoint's client certificate and its key belong together.")
    return (certificate.encode(), key.encode()) if certificate else (None, None)


def _require_host(endpoint: WebhookEndpoint, url: str, *, position: int) -> str:
    """The URL's `host:port`, if the endpoint's secrets were typed for it.

    `secret_hosts` holds the endpoint's place and then the token server's: they must not change
    places under kept secrets.
    """
    place = host_port(url)
    if endpoint.secret_hosts[position : position + 1] != [place]:
        raise ConfigurationError(
            "The endpoint's secrets were not entered for this host. Enter them again.",
            code="host_not_confirmed",
        )
    return place
