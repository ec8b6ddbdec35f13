"""Webhook endpoints: where events are sent to, how they are signed, and how each one fares."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from integrations.crypto.fields import EncryptedTextField
from integrations.work import Lane


class BodyFormat(models.TextChoices):
    """What the body of a delivery is."""

    STANDARD = "standard", "Standard Webhooks: type, timestamp and data"
    PAYLOAD = "payload", "The bare payload, as the original project sent it"


class EndpointAuth(models.TextChoices):
    """How the hub identifies itself to the endpoint, besides the signature."""

    NONE = "none", "Not at all"
    BASIC = "basic", "User name and password"
    OAUTH2 = "oauth2", "OAuth 2 client credentials"


class DisabledReason(models.TextChoices):
    """Why an endpoint is not active."""

    NONE = "", "It is active"
    BY_HAND = "by_hand", "Somebody switched it off"
    GONE = "gone", "It answered 410 Gone"
    FAILING = "failing", "It failed for too long"
    DELETED = "deleted", "It was deleted, and its history is being removed"


class SigningKind(models.TextChoices):
    """A signature version of Standard Webhooks."""

    SYMMETRIC = "v1", "v1: HMAC-SHA256"
    ASYMMETRIC = "v1a", "v1a: ed25519"


class EndpointManager(models.Manager["WebhookEndpoint"]):
    """The endpoints that people know of; `_base_manager` has the deleted ones too."""

    def get_queryset(self) -> models.QuerySet[WebhookEndpoint]:
        """Without those of which only history is left."""
        return super().get_queryset().exclude(disabled_reason=DisabledReason.DELETED)


class WebhookEndpoint(models.Model):
    """An address of a receiver. Everything secret about it is encrypted and never shown again.

    `business` is the host ERP's key whose events it gets, empty for the installation's own;
    with `every_business` it gets those of all. `event_types` are names or patterns such as
    `payment.*`; an empty list means all. How it fares is on its `lane`.
    """

    name = models.CharField(max_length=100)
    url = models.URLField(max_length=500)
    # whsec_..., the current one; those it replaced are WebhookFormerSecret rows.
    secret = EncryptedTextField()
    is_active = models.BooleanField(default=True)
    business = models.CharField(max_length=64, blank=True, default="")
    every_business = models.BooleanField(default=False)
    event_types = models.JSONField(default=list, blank=True)
    body_format = models.CharField(
        max_length=10, choices=BodyFormat.choices, default=BodyFormat.STANDARD
    )
    is_asymmetric = models.BooleanField(
        default=False, help_text="Sign with ed25519 (v1a) as well as with HMAC (v1)."
    )
    asymmetric_key = EncryptedTextField()
    public_key = models.CharField(max_length=100, blank=True, default="", editable=False)
    # A JSON object; values may be secrets.
    static_headers = EncryptedTextField()
    auth = models.CharField(max_length=10, choices=EndpointAuth.choices, default=EndpointAuth.NONE)
    username = models.CharField(max_length=200, blank=True, default="")
    password = EncryptedTextField()
    token_url = models.URLField(max_length=500, blank=True, default="")
    client_id = models.CharField(max_length=200, blank=True, default="")
    client_secret = EncryptedTextField()
    token_scope = models.CharField(max_length=200, blank=True, default="")
    client_certificate = models.TextField(blank=True, default="")
    client_key = EncryptedTextField()
    # The host:port texts that the secrets were typed for; another host demands them again.
    secret_hosts = models.JSONField(default=list, blank=True, editable=False)
    timeout_seconds = models.PositiveSmallIntegerField(default=15)
    max_concurrency = models.PositiveSmallIntegerField(default=10)
    rate_per_second = models.FloatField(null=True, blank=True)
    is_ordered = models.BooleanField(
        default=False,
        help_text="One at a time, in the order of publishing; a failing event holds up the rest.",
    )
    is_paused = models.BooleanField(default=False, help_text="Events are kept, and wait.")
    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_reason = models.CharField(
        max_length=10,
        choices=DisabledReason.choices,
        blank=True,
        default=DisabledReason.NONE,
        editable=False,
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = EndpointManager()

    class Meta:
        verbose_name = "Webhook endpoint"
        verbose_name_plural = "Webhook Endpoints"
        ordering = ["name", "pk"]
        indexes = [
            models.Index(fields=["business", "is_active"], name="webhookendpoint_business"),
            models.Index(fields=["name"], name="webhookendpoint_name"),
        ]

    def __str__(self) -> str:
        return self.name


class WebhookLane(Lane):
    """How an endpoint fares, and which dispatcher serves it. Its key is the endpoint's.

    Apart from the endpoint, so that saving a form never overwrites what a dispatcher wrote.
    """

    endpoint = models.OneToOneField(
        WebhookEndpoint, on_delete=models.CASCADE, primary_key=True, related_name="lane"
    )
    consecutive_failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True, blank=True)
    warned_at = models.DateTimeField(null=True, blank=True)
    # The breaker: nothing is sent before this instant, and no attempt is counted.
    open_until = models.DateTimeField(null=True, blank=True)
    times_opened = models.PositiveIntegerField(default=0)
    # The rate limit across dispatchers: the earliest instant of the next request.
    next_send_at = models.DateTimeField(null=True, blank=True)
    # After re-enabling, not disabled again before this instant.
    cool_down_until = models.DateTimeField(null=True, blank=True)
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_status = models.PositiveSmallIntegerField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True, default="")

    class Meta(Lane.Meta):
        indexes = [*Lane.Meta.indexes]


class WebhookFormerSecret(models.Model):
    """A key that was replaced and signs beside the current one until it expires."""

    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, related_name="former_secrets"
    )
    kind = models.CharField(max_length=3, choices=SigningKind.choices)
    key = EncryptedTextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} of {self.endpoint_id}"
