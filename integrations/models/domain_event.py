"""Events stored with the change they tell of, delivered afterwards."""

from __future__ import annotations

import uuid

from django.db import models

from integrations.work import LeasedWork


class DomainEvent(LeasedWork):
    """Something that happened, for Python listeners (and webhook endpoints later)."""

    event_id = models.UUIDField(default=uuid.uuid4, unique=True)
    event_type = models.CharField(max_length=100)
    business = models.CharField(max_length=64, blank=True, default="")
    payload = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(LeasedWork.Meta):
        ordering = ["id"]
        indexes = [
            *LeasedWork.Meta.indexes,
            models.Index(fields=["business", "-id"], name="domainevent_business"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.event_id}"
