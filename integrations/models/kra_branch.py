"""A taxpayer's branch as KRA knows it: one control unit, one sequence of invoices."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models.functions import Now

from integrations.models.settings_model import Environment
from integrations.work import Lane


class DeviceState(models.TextChoices):
    """How far the initialisation of the control unit is."""

    NONE = "none", "Not initialised"
    # Committed before the socket opens: KRA hands the key out once.
    SENDING = "sending", "Being initialised"
    READY = "ready", "Initialised"
    REFUSED = "refused", "KRA refused"
    UNKNOWN = "unknown", "Outcome unknown"


class KRABranch(Lane):
    """One control unit, by environment, PIN and branch, whichever settings lead to it.

    As a lane it lets one worker at a time send its invoices. Numbers are the last that KRA has
    taken; who sends, and only who sends, moves them, in the transaction that stores the answer.
    """

    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    tin = models.CharField("PIN", max_length=20)
    bhf_id = models.CharField("branch", max_length=10)
    last_invoice_number = models.BigIntegerField(default=0)
    last_stock_number = models.BigIntegerField(default=0)
    last_purchase_number = models.BigIntegerField(default=0)
    device_state = models.CharField(
        max_length=10, choices=DeviceState.choices, default=DeviceState.NONE
    )
    device_serial = models.CharField(max_length=255, blank=True, default="")
    device_message = models.CharField(max_length=300, blank=True, default="")
    device_asked_at = models.DateTimeField(null=True, blank=True)
    control_unit_id = models.CharField(max_length=100, blank=True, default="")
    mrc_no = models.CharField(max_length=100, blank=True, default="")
    taxpayer_name = models.CharField(max_length=200, blank=True, default="")
    branch_name = models.CharField(max_length=200, blank=True, default="")
    # What else KRA told about the branch: county, address, manager. No secrets.
    details = models.JSONField(default=dict, blank=True)
    # The last answer of any kind that came from KRA itself.
    last_contact_at = models.DateTimeField(null=True, blank=True)
    # Why nothing is sent until somebody acts; "" while all is well.
    held_reason = models.CharField(max_length=300, blank=True, default="")
    held_at = models.DateTimeField(null=True, blank=True)
    # What kind of reason it is (`integrations.kra.outbox.holds`): whether it may end by itself.
    held_code = models.CharField(max_length=20, blank=True, default="")
    # Since when the alarm about waiting invoices has been raised.
    alarmed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(Lane.Meta):
        verbose_name = "KRA branch"
        verbose_name_plural = "KRA branches"
        permissions = [
            ("initialise_krabranch", "Can initialise control units"),
            ("release_krabranch", "Can let a held branch go on"),
        ]
        indexes = [
            *Lane.Meta.indexes,
            models.Index(fields=["business", "-id"], name="krabranch_business"),
        ]

    @property
    def silent_since(self) -> datetime | None:
        """Since when KRA was not heard of: its last answer, else since the row was made.

        None while there is no device that could be signing.
        """
        is_ready = self.device_state == DeviceState.READY
        return self.last_contact_at or (self.created_at if is_ready else None)

    def __str__(self) -> str:
        return f"{self.tin} branch {self.bhf_id} ({self.environment})"
