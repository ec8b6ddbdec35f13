"""What is sent to endpoints: the message once, one row for each endpoint, one for each try."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from django.db import models, router, transaction
from django.db.models.functions import Now

from integrations.models.webhook_endpoint import WebhookEndpoint
from integrations.work import LeasedWork, lane_index


class WebhookMessage(models.Model):
    """An event as it is sent: its bytes, stored once and the same in every delivery.

    `body` is the payload as compact JSON in UTF-8; None once retention has dropped it.
    """

    event_id = models.UUIDField(default=uuid.uuid4, unique=True)
    event_type = models.CharField(max_length=100)
    version = models.PositiveSmallIntegerField(default=1)
    business = models.CharField(max_length=64, blank=True, default="")
    occurred_at = models.DateTimeField()
    # Published to certain endpoints alone (a test, for instance): no other one has missed it.
    is_directed = models.BooleanField(default=False, db_default=False)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["business", "-id"], name="webhookmessage_business"),
            # By which retention finds the bodies that are left, past all that it has emptied.
            models.Index(
                fields=["created_at", "id"],
                name="webhookmessage_body",
                condition=models.Q(body__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.message_id}"

    @property
    def message_id(self) -> str:
        """The `webhook-id` header: the same in every attempt at every endpoint."""
        return f"msg_{self.event_id.hex}"

    @property
    def payload(self) -> Any:
        """The payload as it was published; None once it is dropped."""
        return None if self.body is None else json.loads(bytes(self.body))


class DeliveryStatus(models.TextChoices):
    """The documented statuses of a delivery."""

    PENDING = "pending", "Pending"
    RETRYING = "retrying", "Retrying"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"


class WebhookEvent(LeasedWork):
    """A message on its way to one endpoint.

    `attempts` counts the tries that were made. `is_manual` marks a single try by hand after the
    automatic series: when it fails, no new series begins.
    """

    STARTS_OVER = {"status": DeliveryStatus.PENDING, "is_manual": False}

    # Stores the message of a row that is made with its payload, as the original's are. Models
    # know no events; `integrations.wiring` sets it.
    store_message: ClassVar[Callable[[WebhookEvent, Any], WebhookMessage]]
    _given: tuple[Any] | None = None

    # Their indexes are those of Meta: each one more is written to at every step of a delivery.
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="events", db_index=False
    )
    message = models.ForeignKey(
        WebhookMessage, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    event_type = models.CharField(max_length=100)
    status = models.CharField(
        max_length=20, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING
    )
    last_error = models.TextField(null=True, blank=True)
    is_manual = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta(LeasedWork.Meta):
        verbose_name = "Webhook event"
        verbose_name_plural = "Webhook Events"
        ordering = ["-id"]
        # The documented indexes on event_type and created_at are left out: each costs every
        # delivery two writes, and lists read the newest rows by their key.
        indexes = [
            *LeasedWork.Meta.indexes,
            lane_index("endpoint", ordered=False),
            models.Index(fields=["endpoint", "-id"], name="webhookevent_endpoint"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["message", "endpoint"], name="webhookevent_once")
        ]
        permissions = [
            ("deliver_webhookevent", "Can deliver again and replay"),
            ("export_webhookevent", "Can export webhook events"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} to {self.endpoint_id}"

    @property
    def payload(self) -> Any:
        """The documented field: what was published.

        A row that is made with it gets a message of its own, for its endpoint alone, when it is
        saved. Setting it later raises AttributeError: receivers have it.
        """
        return self._given[0] if self._given else self.message.payload

    @payload.setter
    def payload(self, value: Any) -> None:
        if not self._state.adding:
            raise AttributeError("The payload of a stored event can't be changed.")
        self._given = (value,)

    def save(self, **options: Any) -> None:
        """As always; raises InvalidInput for a payload that can't be sent."""
        if self._given is None:
            super().save(**options)
            return
        using = options.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using):
            self.message = type(self).store_message(self, self._given[0])
            super().save(**options)
        self._given = None


class AttemptTrigger(models.TextChoices):
    """Who wanted an attempt."""

    AUTOMATIC = "auto", "The schedule"
    MANUAL = "manual", "A person"
    TEST = "test", "A test"


class AttemptOutcome(models.TextChoices):
    """How an attempt ended."""

    DELIVERED = "delivered", "Delivered"
    HTTP_ERROR = "http_error", "Refused by the receiver"
    REDIRECT = "redirect", "Redirected, which is not followed"
    TIMEOUT = "timeout", "Timed out"
    DNS = "dns", "Name not found"
    CONNECT = "connect", "Not reachable"
    LOST = "lost", "Connection lost"
    TLS = "tls", "TLS failed"
    BLOCKED = "blocked", "Address not allowed"
    AUTH = "auth", "No access token"
    CONFIGURATION = "configuration", "Can't be sent as configured"


class WebhookAttempt(models.Model):
    """One try of one delivery; appended, never changed.

    `request_headers` and `response_*` are stored masked; the response's body as text, 64 KiB at
    most.
    """

    event = models.ForeignKey(WebhookEvent, on_delete=models.CASCADE, related_name="attempt_rows")
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="attempts", db_index=False
    )
    number = models.PositiveIntegerField()
    trigger = models.CharField(max_length=6, choices=AttemptTrigger.choices)
    outcome = models.CharField(max_length=13, choices=AttemptOutcome.choices)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=500, blank=True, default="")
    request_headers = models.JSONField(default=dict)
    response_headers = models.JSONField(default=dict)
    response_body = models.TextField(blank=True, default="")
    response_bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["endpoint", "-id"], name="webhookattempt_endpoint")]

    def __str__(self) -> str:
        return f"{self.event_id} #{self.number}: {self.outcome}"
