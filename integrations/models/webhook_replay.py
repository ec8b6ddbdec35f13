"""Replays: many deliveries made again, at a bounded rate, asked for by a named person."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from integrations.models.webhook_endpoint import WebhookEndpoint
from integrations.work import LeasedWork


class ReplayState(models.TextChoices):
    """Where a replay stands."""

    RUNNING = "running", "Running"
    FINISHED = "finished", "Finished"
    CANCELLED = "cancelled", "Cancelled"


class WebhookReplay(LeasedWork):
    """A job that makes the deliveries of a filter due again, batch by batch.

    `filters` are those that were counted and shown before: status, event_type, since, until.
    `total` is that count; `done` how many were made due; `last_id` how far it has come.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, null=True, on_delete=models.CASCADE, related_name="replays"
    )
    business = models.CharField(max_length=64, blank=True, default="")
    filters = models.JSONField(default=dict)
    includes_missed = models.BooleanField(
        default=False, help_text="Also events that the endpoint never got, while it was off."
    )
    rate_per_second = models.FloatField(default=50.0)
    state = models.CharField(
        max_length=10, choices=ReplayState.choices, default=ReplayState.RUNNING
    )
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    last_id = models.BigIntegerField(default=0)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    requested_by_name = models.CharField(max_length=150, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta(LeasedWork.Meta):
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.public_id}: {self.state}"
