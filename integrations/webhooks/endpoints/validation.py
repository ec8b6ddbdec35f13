"""What an endpoint must be, checked before anything is stored; every refusal names its field."""

from __future__ import annotations

import math
from typing import Any

from django.utils import timezone

from integrations.events.fan_out import check_event_patterns
from integrations.exceptions import InvalidInput
from integrations.models import BodyFormat, EndpointAuth, WebhookEndpoint
from integrations.webhooks.endpoints.addresses import look_up
from integrations.webhooks.endpoints.certificates import check_pair
from integrations.webhooks.endpoints.credentials import bind_secrets, check_credentials
from integrations.webhooks.endpoints.headers import read_headers

# Seconds of a whole request; connections at a time; requests a second.
TIMEOUTS, CONCURRENCIES = range(1, 31), range(1, 101)
GREATEST_RATE = 10_000.0
_TEXTS = (
    ("name", 100), ("business", 64), ("username", 200), ("client_id", 200), ("token_scope", 200),
)  # fmt: skip
_SWITCHES = ("is_active", "every_business", "is_asymmetric", "is_ordered", "is_paused")


def clean_endpoint(
    endpoint: WebhookEndpoint,
    *,
    before: WebhookEndpoint | None = None,
    is_looking_up: bool = True,
) -> list[str]:
    """Check and tidy an endpoint that is about to be saved; returns warnings, often none.

    `before` is the stored row (looked for where it is left out). With `is_looking_up` the names
    of new hosts are looked up, which may take some seconds: not inside a transaction. Raises
    InvalidInput, and ConfigurationError for a bad OUTBOUND_ALLOWED_HOSTS.
    """
    if before is None and endpoint.pk is not None:
        before = WebhookEndpoint.objects.filter(pk=endpoint.pk).first()
    _check_plain_fields(endpoint)
    _check_owner(endpoint, before)
    check_event_patterns(endpoint.event_types)
    check_credentials(endpoint, before)
    bind_secrets(endpoint, before)
    is_authorized = endpoint.auth != EndpointAuth.NONE
    read_headers(endpoint.static_headers.reveal(), is_authorized=is_authorized)
    warning = check_pair(
        endpoint.client_certificate, endpoint.client_key.reveal(), now=timezone.now()
    )
    found = look_up_new(endpoint, before) if is_looking_up else []
    return [warning, *found] if warning else found


def look_up_new(endpoint: WebhookEndpoint, before: WebhookEndpoint | None) -> list[str]:
    """Warnings of `look_up` for the URLs that are not those of the stored row."""
    names = ["url", *(["token_url"] if endpoint.auth == EndpointAuth.OAUTH2 else [])]
    warnings = [
        look_up(name, getattr(endpoint, name))
        for name in names
        if before is None or getattr(endpoint, name) != getattr(before, name)
    ]
    return [text for text in warnings if text]


def _check_plain_fields(endpoint: WebhookEndpoint) -> None:
    for name, limit in _TEXTS:
        setattr(endpoint, name, _text(name, getattr(endpoint, name), limit))
    if not endpoint.name:
        raise InvalidInput("name", "is needed", code="required")
    for name in _SWITCHES:
        if not isinstance(getattr(endpoint, name), bool):
            raise InvalidInput(name, "must be true or false", code="invalid")
    _check_choice("body_format", endpoint.body_format, BodyFormat.values)
    _check_choice("auth", endpoint.auth, EndpointAuth.values)
    _check_range("timeout_seconds", endpoint.timeout_seconds, TIMEOUTS)
    _check_range("max_concurrency", endpoint.max_concurrency, CONCURRENCIES)
    _check_rate(endpoint.rate_per_second)
    for name in ("token_url", "client_certificate"):
        if not isinstance(getattr(endpoint, name), str):
            raise InvalidInput(name, "must be text", code="invalid")


def _text(name: str, value: Any, limit: int) -> str:
    if not isinstance(value, str):
        raise InvalidInput(name, "must be text", code="invalid")
    text = value.strip()
    if len(text) > limit:
        raise InvalidInput(name, f"has more than {limit} characters", code="max_length")
    if not text.isprintable():
        raise InvalidInput(name, "must hold printable characters only", code="invalid")
    return text


def _check_choice(name: str, value: Any, choices: list[str]) -> None:
    if value not in choices:
        raise InvalidInput(name, f"must be one of {', '.join(choices)}", code="invalid_choice")


def _check_range(name: str, value: Any, allowed: range) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        told = f"must be a whole number from {allowed.start} to {allowed.stop - 1}"
        raise InvalidInput(name, told)


def _check_rate(value: Any) -> None:
    if value is None:
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 < value <= GREATEST_RATE:
        told = f"must be above 0 and at most {GREATEST_RATE:.0f} requests a second, or empty"
        raise InvalidInput("rate_per_second", told)


def _check_owner(endpoint: WebhookEndpoint, before: WebhookEndpoint | None) -> None:
    if endpoint.every_business and endpoint.business:
        raise InvalidInput("every_business", "is for an endpoint of the installation itself")
    for name in ("business", "every_business"):
        if before is not None and getattr(endpoint, name) != getattr(before, name):
            # What it was sent until now would be shown to whom it belongs from now on.
            raise InvalidInput(name, "can't be changed: make another endpoint")
