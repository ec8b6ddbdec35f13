"""What providers sent us, stored raw (encrypted) before it is worked on."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models
from django.db.models.functions import Now

from integrations.crypto.fields import EncryptedTextField
from integrations.work import LeasedWork


class CallbackStatus(models.TextChoices):
    """What became of a callback."""

    STORED = "stored", "Stored"
    PROCESSED = "processed", "Processed"
    DUPLICATE = "duplicate", "Duplicate"
    QUARANTINED = "quarantined", "Quarantined"


class InboundCallback(LeasedWork):
    """One request from a provider. The body holds personal data: encrypted, purged by age."""

    route = models.CharField(max_length=40)
    # Digest of the secret path segment; finds the payment without storing the secret.
    token_digest = models.CharField(max_length=64, blank=True)
    # Whose payment it was sent to, "" for the installation's; None where no payment has this path.
    business = models.CharField(max_length=64, null=True, blank=True, editable=False)
    status = models.CharField(
        max_length=20, choices=CallbackStatus.choices, default=CallbackStatus.STORED
    )
    reason = models.CharField(max_length=300, blank=True)
    # The sender's id where it has one, else set when processed. Once a callback is processed, a
    # second one with the same key is a duplicate.
    dedupe_key = models.CharField(max_length=128, blank=True)
    # Failed checks that do not refuse the request, such as a foreign source address.
    doubts = models.JSONField(default=list)
    reference = models.CharField(max_length=64, blank=True)
    source = models.GenericIPAddressField(null=True, blank=True)
    headers = models.JSONField(default=dict)
    # Latin-1 text of the bytes as received, so that any body survives.
    body = EncryptedTextField()
    body_bytes = models.PositiveIntegerField(default=0)
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta(LeasedWork.Meta):
        ordering = ["-id"]
        indexes = [
            *LeasedWork.Meta.indexes,
            models.Index(fields=["status", "-received_at"], name="callback_status"),
            models.Index(fields=["-received_at"], name="callback_received"),
            models.Index(fields=["business", "-id"], name="callback_business"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["route", "dedupe_key"],
                condition=models.Q(status=CallbackStatus.PROCESSED) & ~models.Q(dedupe_key=""),
                name="callback_processed_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.status}"

    def raw_body(self) -> bytes:
        """The bytes as received; raises DecryptionError."""
        return str(self.body.reveal()).encode("latin-1")


@dataclass(frozen=True, slots=True)
class Settled:
    """Handled. A second callback with the same `dedupe_key` is a duplicate.

    "" leaves the key that the row came with: the sender's id of the event.
    """

    dedupe_key: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Not believed; kept for people. `reason` is shown to them."""

    reason: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class TryLater:
    """Can't be handled yet; quarantined when it still can't `patience_seconds` after arrival."""

    reason: str
    delay_seconds: float = 2.0
    patience_seconds: float = 30.0
    reference: str = ""


# What a route's handler says of a stored callback.
Verdict = Settled | Quarantine | TryLater
