"""Making and changing endpoints: checked, audited, and never half done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.access import EVERYTHING, Scope, scope_of
from integrations.crypto.fields import note_stored
from integrations.exceptions import InvalidInput
from integrations.models import (
    AuditEntry,
    SigningKind,
    WebhookEndpoint,
    WebhookFormerSecret,
    WebhookLane,
    acting_as,
)
from integrations.webhooks import condition
from integrations.webhooks.endpoints.addresses import check_address, look_up
from integrations.webhooks.endpoints.headers import write_headers
from integrations.webhooks.endpoints.switches import QUEUE, apply_switches
from integrations.webhooks.endpoints.validation import clean_endpoint
from integrations.webhooks.secrets import MOST_FORMER, give_secret
from integrations.webhooks.signing import SECRET_PREFIX, decode_secret
from integrations.work import ring

# What callers may give. `is_active` and `is_paused` act as the functions of their names do.
FIELDS = (
    "name", "url", "is_active", "business", "every_business", "event_types", "body_format",
    "is_asymmetric", "static_headers", "auth", "username", "password", "token_url", "client_id",
    "client_secret", "token_scope", "client_certificate", "client_key", "timeout_seconds",
    "max_concurrency", "rate_per_second", "is_ordered", "is_paused", "secret",
)  # fmt: skip


# Characters of a secret that is no `whsec_` text, as receivers of the original project have.
TEXT_SECRETS = range(24, 201)
# A secret that is replaced by a given one signs beside it for so long.
OVERLAP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Created:
    """A new endpoint. `secret` is what was made to sign with, to be shown now and never again.

    It is "" where the caller gave one.
    """

    endpoint: WebhookEndpoint
    secret: str = field(repr=False)
    public_key: str
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class Changed:
    """An endpoint as it is stored now, and the names of the fields that were changed."""

    endpoint: WebhookEndpoint
    fields: list[str]
    warnings: list[str]


def create_endpoint(
    values: Mapping[str, Any],
    *,
    actor: Any = None,
    scope: Scope | None = None,
    warnings: Sequence[str] | None = None,
) -> Created:
    """Store an endpoint of `values` (see FIELDS); its secret is made where none is given.

    `actor` is a user, None for the product itself. `scope` is what the caller may work on, by
    default what the actor may. `warnings` are those of `clean_endpoint`, where the caller has
    looked the names up already. Raises InvalidInput, code `business_not_allowed` for a business
    of somebody else, and ConfigurationError.
    """
    endpoint = WebhookEndpoint()
    _assign(endpoint, values)
    require_business(endpoint, actor, scope)
    found = clean_endpoint(endpoint, is_looking_up=warnings is None)
    with acting_as(actor), transaction.atomic():
        apply_switches(endpoint, None)
        issued = give_secret(endpoint)
        endpoint.save()
        WebhookLane.objects.create(endpoint=endpoint, key=str(endpoint.pk))
        AuditEntry.objects.record(
            "webhook_endpoint.created",
            target=endpoint,
            business=endpoint.business,
            fields=[name for name in FIELDS if getattr(endpoint, name)],
        )
        transaction.on_commit(partial(note_stored, endpoint), robust=True)
    return Created(endpoint, issued.secret, issued.public_key, [*found, *(warnings or ())])


def update_endpoint(
    endpoint: WebhookEndpoint,
    values: Mapping[str, Any],
    *,
    actor: Any = None,
    scope: Scope | None = None,
    warnings: Sequence[str] | None = None,
) -> Changed:
    """Change the fields in `values` and no others, on the row as it is stored now.

    Two who change different fields at once both succeed. A secret that is left out stays, ""
    clears it. `endpoint` is made to show what is stored. Arguments and errors as
    `create_endpoint`; WebhookEndpoint.DoesNotExist where it is gone.
    """
    found = list(warnings or ())
    if warnings is None:
        found += look_up_of(endpoint, values)
    with acting_as(actor), transaction.atomic():
        lanes = WebhookLane.objects.filter(pk=endpoint.pk)
        if values.get("is_active") or "url" in values:
            # The lane first, as those do who note how an endpoint fares.
            lanes.select_for_update(no_key=True).first()
        row = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        before = copy(row)
        _assign(row, values)
        require_business(row, actor, scope)
        found += clean_endpoint(row, before=before, is_looking_up=False)
        changed = _store(row, before)
        if row.url != before.url:
            # The breaker's pause was for another address.
            lanes.update(open_until=None)
    endpoint.refresh_from_db()
    return Changed(endpoint, changed, found)


def look_up_of(endpoint: WebhookEndpoint | None, values: Mapping[str, Any]) -> list[str]:
    """Warnings about the names of the hosts in `values`; may take seconds, so before locking.

    `endpoint` is the one that will be changed. Raises InvalidInput for a forbidden address.
    """
    warnings = []
    for name in ("url", "token_url"):
        url = values.get(name)
        if url and url != (getattr(endpoint, name) if endpoint else ""):
            check_address(name, url)
            warnings.append(look_up(name, url))
    return [text for text in warnings if text]


def require_business(endpoint: WebhookEndpoint, actor: Any, scope: Scope | None) -> None:
    """Raises InvalidInput, code `business_not_allowed`, for what is not the caller's."""
    if scope is None:
        scope = EVERYTHING if actor is None else scope_of(actor)
    if endpoint.every_business and not scope.is_all:
        told = "this caller may not see every business."
        raise InvalidInput("every_business", told, code="business_not_allowed")
    if not scope.allows(endpoint.business):
        told = "this caller may not work on this business."
        raise InvalidInput("business", told, code="business_not_allowed")


def _assign(endpoint: WebhookEndpoint, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name not in FIELDS:
            raise InvalidInput(str(name)[:64], "is no field of an endpoint", code="unknown_field")
        if name == "secret":
            _assign_secret(endpoint, value)
        elif name == "static_headers":
            endpoint.static_headers = write_headers(value)
        else:
            setattr(endpoint, name, value)


def _assign_secret(endpoint: WebhookEndpoint, value: Any) -> None:
    """A given secret; left empty, the present one stays, or one is made."""
    if not value:
        return
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise InvalidInput("secret", "must be visible ASCII text", code="invalid")
    if value.startswith(SECRET_PREFIX):
        decode_secret(value)
    elif len(value) not in TEXT_SECRETS:
        raise InvalidInput("secret", f"must be {SECRET_PREFIX} and base64, or a long random text")
    if not endpoint.secret or endpoint.secret.reveal() != value:
        endpoint.secret = value


def _keep_former(before: WebhookEndpoint) -> None:
    formers = before.former_secrets.filter(
        kind=SigningKind.SYMMETRIC, expires_at__gt=timezone.now()
    )
    if formers.count() >= MOST_FORMER:
        raise InvalidInput("secret", f"{MOST_FORMER} former ones still sign: wait for one to end")
    WebhookFormerSecret.objects.create(
        endpoint=before,
        kind=SigningKind.SYMMETRIC,
        key=before.secret.reveal(),
        expires_at=timezone.now() + OVERLAP,
    )


def _store(row: WebhookEndpoint, before: WebhookEndpoint) -> list[str]:
    """Save what differs, under the lock of the caller; returns the names that are told."""
    changes = [name for name in FIELDS if getattr(row, name) != getattr(before, name)]
    if before.secret and row.secret != before.secret:
        _keep_former(before)
    is_switched_on = apply_switches(row, before)
    give_secret(row)
    differing = [
        each.attname
        for each in row._meta.concrete_fields
        if getattr(row, each.attname) != getattr(before, each.attname)
    ]
    if differing:
        row.save(update_fields=[*differing, "updated_at"])
    told = [name for name in changes if not (is_switched_on and name == "is_active")]
    if told:
        AuditEntry.objects.record(
            "webhook_endpoint.updated", target=row, business=row.business, fields=told
        )
    if is_switched_on:
        condition.enable(row)
    if changes:
        ring(QUEUE)
    return changes
