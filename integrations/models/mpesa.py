"""Settings of M-Pesa (Safaricom Daraja)."""

from __future__ import annotations

import ipaddress
import re
from types import MappingProxyType
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from integrations import registry
from integrations.callback_address import check_callback_base
from integrations.crypto.fields import EncryptedTextField
from integrations.exceptions import ConfigurationError
from integrations.models.settings_model import (
    Environment,
    SettingsModel,
    declare_settings,
    integration_link,
)

SANDBOX_URL = "https://sandbox.safaricom.co.ke"
PRODUCTION_URL = "https://api.safaricom.co.ke"

# Union of the published lists (Daraja reference, section 20): the shorter ones would drop
# genuine callbacks.
CALLBACK_SOURCES = (
    "196.201.214.200 196.201.214.206 196.201.214.207 196.201.214.208 196.201.213.44 "
    "196.201.213.114 196.201.212.127 196.201.212.128 196.201.212.129 196.201.212.132 "
    "196.201.212.136 196.201.212.138 196.201.212.69 196.201.212.74"
)


class TransactionType(models.TextChoices):
    """How money is collected (Daraja reference, section 4)."""

    PAYBILL = "CustomerPayBillOnline", "PayBill"
    TILL = "CustomerBuyGoodsOnline", "Buy goods (till)"


@declare_settings
class MpesaSettings(SettingsModel):
    """M-Pesa credentials and short code of one business."""

    info = registry.Integration(
        slug="mpesa",
        name="MPESA",
        label="M-Pesa",
        category="PAYMENT",
        required=("consumer_key", "consumer_secret", "passkey", "short_code"),
        defaults=MappingProxyType({"short_code": "174379", "base_url": SANDBOX_URL}),
    )

    guarded_fields = ("callback_base_url",)

    integration = integration_link("mpesa_settings")
    consumer_key = EncryptedTextField(help_text="From the app on the Daraja portal.")
    consumer_secret = EncryptedTextField(help_text="From the app on the Daraja portal.")
    passkey = EncryptedTextField(
        help_text="The Lipa na M-Pesa Online passkey of the short code, as received (not encoded)."
    )
    security_credential = EncryptedTextField(
        help_text="The ready-made encrypted initiator password, where you have no password."
    )
    short_code = models.CharField(
        max_length=100,
        default="",
        blank=True,
        help_text="PayBill number; for a till, the store or head-office number used at go-live.",
    )
    base_url = models.URLField(
        default=PRODUCTION_URL, help_text="Host used in the production environment."
    )
    sandbox_url = models.URLField(
        default=SANDBOX_URL, help_text="Host used in the sandbox environment."
    )
    callback_base_url = models.URLField(
        default="",
        blank=True,
        help_text="Public address of this installation; empty uses PUBLIC_BASE_URL.",
    )
    initiator_name = models.CharField(max_length=1500, default="", blank=True)
    initiator_password = EncryptedTextField()
    transaction_type = models.CharField(
        max_length=30, choices=TransactionType.choices, default=TransactionType.PAYBILL
    )
    till_number = models.CharField(
        max_length=10,
        default="",
        blank=True,
        help_text="For buy goods: the till that receives the money.",
    )
    callback_sources = models.TextField(
        default=CALLBACK_SOURCES,
        blank=True,
        help_text="Addresses or networks that callbacks come from; others are quarantined and "
        "the provider is asked instead. Empty accepts any.",
    )
    minimum_amount = models.PositiveIntegerField(default=1, help_text="KES per transaction.")
    maximum_amount = models.PositiveIntegerField(default=250000, help_text="KES per transaction.")
    confirm_above = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Ask M-Pesa to confirm a success callback above this amount (KES).",
    )

    class Meta:
        verbose_name = "M-Pesa Settings"
        verbose_name_plural = "M-Pesa Settings"
        constraints = [
            models.UniqueConstraint(
                fields=["business"],
                name="mpesa_settings_business",
                violation_error_message="This business already has M-Pesa settings.",
            )
        ]

    @property
    def active_url(self) -> str:
        """The API host of the row's environment, without a slash at the end."""
        live = self.environment == Environment.PRODUCTION
        return (self.base_url if live else self.sandbox_url).rstrip("/")

    def outbound_urls(self) -> list[str]:
        """The API host of the row's environment."""
        return [self.active_url]

    def config_values(self) -> dict[str, Any]:
        """The documented keys; `base_url` is the one of the environment."""
        return {**super().config_values(), "base_url": self.active_url}

    def clean(self) -> None:
        """Refuse a till without its numbers and amounts the wrong way round."""
        super().clean()
        errors = {}
        if self.short_code and not (self.short_code.isdigit() and 5 <= len(self.short_code) <= 7):
            errors["short_code"] = "A short code has 5 to 7 digits."
        if self.transaction_type == TransactionType.TILL:
            errors.update(self._till_errors())
        errors.update(self._callback_errors())
        if self.minimum_amount > self.maximum_amount:
            errors["minimum_amount"] = "The minimum is above the maximum."
        if errors:
            raise ValidationError(errors)

    def _callback_errors(self) -> dict[str, str]:
        errors = {}
        if self.callback_base_url:
            try:
                check_callback_base(self.callback_base_url, self.environment)
            except ConfigurationError as error:
                errors["callback_base_url"] = error.message
        for part in re.split(r"[,\s]+", self.callback_sources.strip()):
            try:
                ipaddress.ip_network(part or "0.0.0.0/0", strict=False)
            except ValueError:
                errors["callback_sources"] = f"{part[:40]!r} is no address and no network."
        return errors

    def _till_errors(self) -> dict[str, str]:
        if not self.till_number:
            return {"till_number": "Buy goods needs the till number as well as the store number."}
        if not self.till_number.isdigit():
            return {"till_number": "A till number has digits only."}
        if self.till_number == self.short_code:
            return {
                "short_code": "For a till, the short code is the store or head-office number, "
                "which differs from the till number."
            }
        return {}
