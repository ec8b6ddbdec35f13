"""What the hub shows an endpoint besides the signature, and the hosts that it was typed for."""

from __future__ import annotations

from typing import Any

from integrations.exceptions import InvalidInput
from integrations.models import EndpointAuth, WebhookEndpoint
from integrations.webhooks.endpoints.addresses import check_address

# By kind of identification: what it needs, and what it may have.
NEEDED: dict[str, tuple[str, ...]] = {
    EndpointAuth.NONE: (),
    EndpointAuth.BASIC: ("username", "password"),
    EndpointAuth.OAUTH2: ("token_url", "client_id", "client_secret"),
}
_ALL = ("username", "password", "token_url", "client_id", "client_secret", "token_scope")
# Secrets that reach the endpoint's host; the client's one reaches it as the token it buys.
BOUND = ("password", "client_secret", "static_headers", "client_key")


def check_credentials(endpoint: WebhookEndpoint, before: WebhookEndpoint | None) -> None:
    """Complete for the endpoint's `auth`; what another kind left behind is dropped.

    Raises InvalidInput for what is missing, and for what was given and has no use.
    """
    kind = endpoint.auth
    for name in NEEDED[kind]:
        if not getattr(endpoint, name):
            raise InvalidInput(name, f"is needed where auth is {kind}", code="required")
    allowed = {*NEEDED[kind], *(("token_scope",) if kind == EndpointAuth.OAUTH2 else ())}
    for name in _ALL:
        value = getattr(endpoint, name)
        if name in allowed or not value:
            continue
        if before is None or value != getattr(before, name):
            raise InvalidInput(name, f"has no use where auth is {kind}; leave it empty")
        setattr(endpoint, name, "")
    if ":" in endpoint.username:
        raise InvalidInput("username", "must not hold a colon")
    is_removed = (
        before is not None and before.client_certificate and not endpoint.client_certificate
    )
    if before is not None and is_removed and is_kept(endpoint, before, "client_key"):
        endpoint.client_key = ""


def places_of(endpoint: WebhookEndpoint) -> list[str]:
    """`host:port` of the endpoint and, where it has one, of who gives its access tokens.

    In this order: the two must not change places under kept secrets.
    """
    urls = {"url": endpoint.url}
    if endpoint.auth == EndpointAuth.OAUTH2:
        urls["token_url"] = endpoint.token_url
    return [check_address(field, url) for field, url in urls.items()]


def bind_secrets(endpoint: WebhookEndpoint, before: WebhookEndpoint | None) -> None:
    """Note the hosts that the secrets are for; kept ones are refused at other hosts.

    Whoever could point an endpoint at a host of their own would otherwise be sent its secrets.
    """
    places = places_of(endpoint)
    if before is not None:
        moved = _moved(before.secret_hosts or _places_before(before), places)
        kept = [name for name in moved if is_kept(endpoint, before, name)]
        if kept:
            reason = f"the host is now {', '.join(places)}; send again: {', '.join(kept)}"
            raise InvalidInput(kept[0], reason, code="host_not_confirmed")
    endpoint.secret_hosts = places


def _places_before(before: WebhookEndpoint) -> list[str]:
    """Of a row that was written past this module."""
    try:
        return places_of(before)
    except InvalidInput:
        return []


def _moved(known: list[str], places: list[str]) -> tuple[str, ...]:
    """The names of the secrets that would reach another host than before."""
    if known[:1] != places[:1]:
        return BOUND
    return ("client_secret",) if known != places else ()


def is_kept(endpoint: WebhookEndpoint, before: WebhookEndpoint, name: str) -> bool:
    """Whether a secret is set that nobody typed just now."""
    value: Any = getattr(endpoint, name)
    return bool(value) and (value.stored or value == getattr(before, name))
