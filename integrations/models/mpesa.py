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
from integrations.crypto.certificate import CertificateUnreadable, rsa_public_key
from integrations.crypto.fields import EncryptedTextField
from integrations.exceptions import ConfigurationError
from integrations.models.account_model import AccountSettings, account_constraints
from integrations.models.settings_model import (
    Environment,
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


class ApiVersion(models.TextChoices):
    """Versions of Daraja's products: which one an app may call depends on what was ticked."""

    V1 = "v1", "v1"
    V2 = "v2", "v2"
    V3 = "v3", "v3"

    @classmethod
    def b2c(cls) -> list[tuple[str, str]]:
        """Those of the payout product (reference, section 9)."""
        return [(cls.V1.value, "v1"), (cls.V3.value, "v3")]

    @classmethod
    def c2b(cls) -> list[tuple[str, str]]:
        """Those of C2B (reference, section 8)."""
        return [(cls.V1.value, "v1"), (cls.V2.value, "v2")]


class ResponseType(models.TextChoices):
    """What M-Pesa does with a C2B payment when the validation address does not answer."""

    COMPLETED = "Completed", "Take the payment"
    CANCELLED = "Cancelled", "Refuse the payment"


class ValidationRule(models.TextChoices):
    """Which C2B payments are taken."""

    ACCEPT = "accept", "All of them"
    KNOWN = "known_reference", "Those whose account reference is expected"


class AmountRule(models.TextChoices):
    """Which amounts are taken, where C2B payments have to quote an expected reference."""

    ANY = "any", "Any amount"
    NOT_MORE = "not_more", "What is outstanding, or less"
    EXACT = "exact", "Exactly what is outstanding"


@declare_settings
class MpesaSettings(AccountSettings):
    """M-Pesa credentials and one short code of a business."""

    info = registry.Integration(
        slug="mpesa",
        name="MPESA",
        label="M-Pesa",
        category="PAYMENT",
        required=("consumer_key", "consumer_secret", "passkey", "short_code"),
        defaults=MappingProxyType({"short_code": "174379", "base_url": SANDBOX_URL}),
        portal_url="https://developer.safaricom.co.ke/MyApps",
        portal_help="Consumer key and secret are on the app's page under My Apps; the passkey "
        "comes with the go-live mail, or with the test credentials of the sandbox.",
        docs_url="https://developer.safaricom.co.ke/APIs",
    )

    guarded_fields = ("callback_base_url",)
    account_field = "short_code"
    sections = MappingProxyType(
        {
            "Money out": (
                "b2c_version", "payout_minimum", "payout_maximum", "payout_daily_limit",
                "payee_daily_limit", "approve_above",
            ),
            "Payments that customers make themselves": (
                "c2b_version", "c2b_response_type", "c2b_validation", "c2b_amounts",
                "pull_enabled", "pull_phone",
            ),
            "Alarms and pace": (
                "low_balance", "low_balance_except", "balance_every_minutes",
                "initiator_password_days", "not_found_codes", "requests_per_second",
            ),
        }
    )  # fmt: skip

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
    initiator_name = models.CharField(
        max_length=1500,
        default="",
        blank=True,
        help_text="The API user of the organisation portal, for reversals and payouts.",
    )
    initiator_password = EncryptedTextField(
        help_text="The password of that API user; it is encrypted for M-Pesa when it is used."
    )
    transaction_type = models.CharField(
        max_length=30,
        choices=TransactionType.choices,
        default=TransactionType.PAYBILL,
        help_text="How money is collected: into a PayBill account, or by a till.",
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
    payer_daily_limit = models.PositiveIntegerField(
        default=500000,
        null=True,
        blank=True,
        help_text="KES that one phone may be asked for in a day; empty sets no limit.",
    )
    confirm_above = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Ask M-Pesa to confirm a success callback above this amount (KES).",
    )
    certificate = models.TextField(
        default="",
        blank=True,
        help_text="Safaricom's certificate of this environment (PEM), from the Daraja portal: the "
        "initiator password is encrypted with it. Its end date is not looked at.",
    )
    b2c_version = models.CharField(
        max_length=2,
        choices=ApiVersion.b2c(),
        default=ApiVersion.V3,
        help_text="Version of the payout product that the app was granted. With v3 a lost answer "
        "can be asked about; v1 can't.",
    )
    payout_minimum = models.PositiveIntegerField(default=10, help_text="KES per payout.")
    payout_maximum = models.PositiveIntegerField(default=250000, help_text="KES per payout.")
    payout_daily_limit = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="KES that this short code may pay out in a day; empty sets no limit.",
    )
    payee_daily_limit = models.PositiveIntegerField(
        default=500000,
        null=True,
        blank=True,
        help_text="KES that one phone may be paid in a day; empty sets no limit.",
    )
    approve_above = models.PositiveIntegerField(
        default=0,
        null=True,
        blank=True,
        help_text="Payouts and reversals above this amount (KES) wait for a second person. 0: all "
        "of them; empty: none.",
    )
    c2b_version = models.CharField(
        max_length=2,
        choices=ApiVersion.c2b(),
        default=ApiVersion.V2,
        help_text="Version of the C2B product that the app was granted.",
    )
    c2b_response_type = models.CharField(
        max_length=10,
        choices=ResponseType.choices,
        default=ResponseType.COMPLETED,
        help_text="What M-Pesa does with a payment when our validation can't be reached.",
    )
    c2b_validation = models.CharField(
        max_length=20,
        choices=ValidationRule.choices,
        default=ValidationRule.ACCEPT,
        help_text="Which C2B payments are taken, where Safaricom has switched validation on.",
    )
    c2b_amounts = models.CharField(
        max_length=10,
        choices=AmountRule.choices,
        default=AmountRule.ANY,
        help_text="Which amounts are taken for an expected reference; counts with validation of "
        "references only.",
    )
    pull_enabled = models.BooleanField(
        default=False,
        help_text="Fetch the short code's transactions from M-Pesa, to find lost callbacks.",
    )
    pull_phone = models.CharField(
        max_length=16,
        default="",
        blank=True,
        help_text="The phone number nominated for the pull product.",
    )
    not_found_codes = models.CharField(
        max_length=200,
        default="R000002",
        blank=True,
        help_text="Result codes by which M-Pesa's transaction status says that it has no such "
        "transaction, with spaces between. They are not documented; with none here, people decide.",
    )
    low_balance = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="Raise an alarm when an account has less than this (KES); empty: never.",
    )
    low_balance_except = models.CharField(
        max_length=300,
        default="Charges Paid Account",
        blank=True,
        help_text="Accounts that this alarm leaves out, by M-Pesa's names with commas between: "
        "what only books charges is below zero all the time.",
    )
    balance_every_minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Ask M-Pesa for the balances every so many minutes; empty: only when somebody "
        "asks.",
    )
    initiator_password_days = models.PositiveIntegerField(
        default=90,
        null=True,
        blank=True,
        help_text="Days after which M-Pesa lets the initiator's password expire; a warning comes "
        "before. Empty: no warning.",
    )
    requests_per_second = models.PositiveIntegerField(
        default=10,
        help_text="Calls to M-Pesa with these credentials, all processes together.",
    )

    class Meta:
        verbose_name = "M-Pesa Settings"
        verbose_name_plural = "M-Pesa Settings"
        constraints = account_constraints(
            "mpesa_settings",
            "short_code",
            taken="This business already has M-Pesa settings. Add a further short code with "
            "“Main account” unticked.",
            known="This business already has settings for this short code.",
        )

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
        """Refuse a till without its numbers, amounts the wrong way round, a bad certificate."""
        super().clean()
        errors = {}
        if self.short_code and not (self.short_code.isdigit() and 5 <= len(self.short_code) <= 7):
            errors["short_code"] = "A short code has 5 to 7 digits."
        if self.transaction_type == TransactionType.TILL:
            errors.update(self._till_errors())
        errors.update(self._callback_errors())
        errors.update(self._certificate_errors())
        if self.minimum_amount > self.maximum_amount:
            errors["minimum_amount"] = "The minimum is above the maximum."
        if self.payout_minimum > self.payout_maximum:
            errors["payout_minimum"] = "The minimum is above the maximum."
        if self.requests_per_second < 1:
            errors["requests_per_second"] = "At least 1."
        if self.balance_every_minutes is not None and self.balance_every_minutes < 5:
            errors["balance_every_minutes"] = "At least 5: an answer takes its time."
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

    def _certificate_errors(self) -> dict[str, str]:
        if not self.certificate.strip():
            return {}
        try:
            rsa_public_key(self.certificate)
        except CertificateUnreadable as error:
            return {"certificate": f"The certificate can't be used: {error}"}
        return {}

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
