"""Deleting an endpoint: gone for everybody at once, its history in small steps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import (
    AuditEntry,
    WebhookAttempt,
    WebhookEndpoint,
    WebhookEvent,
    WebhookLane,
    WebhookMessage,
)
from integrations.webhooks import endpoints
from integrations.webhooks.endpoints import removal

pytestmark = pytest.mark.django_db


def endpoint(events: int = 0, **changes: Any) -> WebhookEndpoint:
    """An endpoint with deliveries, each with an attempt."""
    values = {"name": "ERP", "url": "https://93.184.215.14/hooks", **changes}
    row = endpoints.create_endpoint(values).endpoint
    now = timezone.now()
    messages = WebhookMessage.objects.bulk_create(
        [WebhookMessage(event_type="payment.created", occurred_at=now) for _ in range(events)]
    )
    made = WebhookEvent.objects.bulk_create(
        [WebhookEvent(endpoint=row, message=m, event_type=m.event_type) for m in messages]
    )
    WebhookAttempt.objects.bulk_create(
        WebhookAttempt(
            event=event, endpoint=row, number=1, trigger="auto", outcome="delivered",
            started_at=now, duration_ms=1,
        )
        for event in made
    )  # fmt: skip
    return row


def test_a_small_one_is_gone_with_its_history() -> None:
    row = endpoint(3)
    other = endpoint(1)
    assert endpoints.delete_endpoint(row) is True
    assert WebhookEndpoint._base_manager.get() == other
    assert (WebhookEvent.objects.count(), WebhookLane.objects.count()) == (1, 1)
    entry = AuditEntry.objects.get(action="webhook_endpoint.deleted")
    assert entry.object_name == "ERP"


def test_a_large_one_is_hidden_at_once_and_removed_in_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(removal, "BATCH", 2)
    row = endpoint(5)
    other = endpoint(1)
    assert endpoints.delete_endpoint(row) is False
    assert list(WebhookEndpoint.objects.all()) == [other]
    left = WebhookEndpoint._base_manager.get(pk=row.pk)
    assert (left.is_active, left.disabled_reason) == (False, "deleted")
    assert not any(getattr(left, name) for name in removal.SECRETS)
    with pytest.raises(WebhookEndpoint.DoesNotExist):
        endpoints.delete_endpoint(row)
    assert removal.purge_deleted() == 11
    assert WebhookEndpoint._base_manager.get() == other
    assert WebhookEvent.objects.count() == 1
    assert removal.purge_deleted() == 0


def test_what_a_dispatcher_has_in_hand_is_left_until_it_is_done() -> None:
    row = endpoint(2)
    held = WebhookEvent.objects.first()
    assert held is not None
    soon = timezone.now() + timedelta(minutes=5)
    WebhookEvent.objects.filter(pk=held.pk).update(lease_until=soon)
    assert endpoints.delete_endpoint(row) is False
    removal.purge_deleted()
    assert list(WebhookEvent.objects.all()) == [held]
    WebhookEvent.objects.filter(pk=held.pk).update(
        lease_until=timezone.now() - timedelta(minutes=5)
    )
    removal.purge_deleted()
    assert not WebhookEndpoint._base_manager.exists()


def test_a_run_ends_in_time_and_goes_on_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "BATCH", 1)
    monkeypatch.setattr(removal, "LONGEST_RUN", -1.0)
    row = endpoint(2)
    endpoints.delete_endpoint(row)
    assert [removal.purge_deleted() for _ in range(5)] == [1, 1, 1, 1, 1]
    assert not WebhookEndpoint._base_manager.exists()
