"""A test: one small event, sent to one endpoint at once, whatever state the endpoint is in."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.events.encoding import encode
from integrations.events.fan_out import Outgoing, fan_out
from integrations.models import (
    AttemptOutcome,
    AttemptTrigger,
    AuditEntry,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    acting_as,
    current_actor,
)
from integrations.webhooks.event_types import TEST
from integrations.webhooks.single import send_now
from integrations.work import lease_expressions

# Seconds that the row is ours: longer than any endpoint's limit and the name lookup before it.
LEASE = 120.0
_LABELS = dict(AttemptOutcome.choices)


def send_test(endpoint: WebhookEndpoint, *, actor: Any) -> WebhookAttempt:
    """Send `webhook.test` to `endpoint` now and return the stored attempt. Audited.

    Signed and guarded as every delivery, once and never again; also to one that is off or
    paused. Takes at most the endpoint's limit. Call it outside a transaction (RuntimeError): the
    row is committed before anything is sent. `describe` tells the outcome in words.
    """
    event = _store(endpoint, actor)
    return send_now(event, trigger=AttemptTrigger.TEST)


def describe(attempt: WebhookAttempt) -> str:
    """How an attempt ended, in a sentence."""
    label = str(_LABELS.get(AttemptOutcome(attempt.outcome), attempt.outcome))
    status = f" with status {attempt.status_code}" if attempt.status_code else ""
    error = f": {attempt.error.rstrip('.')}" if attempt.error else ""
    return f"{label}{status} in {attempt.duration_ms:,} ms{error}."


def _store(endpoint: WebhookEndpoint, actor: Any) -> WebhookEvent:
    """The message and its row, claimed in the same transaction: no dispatcher sees it due."""
    with transaction.atomic(durable=True), acting_as(actor):
        user = current_actor()
        payload = {
            "endpoint_id": endpoint.pk,
            "message": "A test of BengoERP Integrations. Nothing happened.",
            "sent_at": timezone.now().isoformat(),
            # Without the token that a program used: the receiver is a stranger to it.
            "requested_by": str(user)[:200] if user else "system",
        }
        test = Outgoing(uuid.uuid4(), TEST, endpoint.business, timezone.now(), encode(payload))
        fan_out([test], only_endpoint=endpoint)
        event = WebhookEvent.objects.get(message__event_id=test.event_id)
        claim = lease_expressions(LEASE)
        WebhookEvent.objects.filter(pk=event.pk).update(is_manual=True, **claim)
        AuditEntry.objects.record(
            "webhook_endpoint.tested", target=endpoint, business=endpoint.business
        )
    return WebhookEvent.objects.select_related("endpoint", "message").get(pk=event.pk)
