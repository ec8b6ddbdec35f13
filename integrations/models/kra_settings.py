"""Settings of KRA: eTIMS by any of its three ways, and GavaConnect."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from integrations import registry
from integrations.crypto.fields import EncryptedTextField
from integrations.models.account_model import AccountSettings, account_constraints
from integrations.models.kra_choices import (
    ETIMS_HOSTS,
    GAVACONNECT_PRODUCTION,
    GAVACONNECT_SANDBOX,
    OWN_PATHS,
    QR_PRODUCTION,
    QR_SANDBOX,
    SECTIONS,
    AmountProfile,
    QrTarget,
    Transport,
    UnknownItem,
)
from integrations.models.kra_rules import faults_of, read_lines
from integrations.models.settings_model import Environment, declare_settings, integration_link

_OWN_PATH_FIELDS = MappingProxyType(
    {"invoice_path": "save_sale", "invoice_status_path": "find_invoice", "sync_path": "code_list"}
)


def _product_key(product: str) -> EncryptedTextField:
    return EncryptedTextField(
        help_text=f"Where the portal gave “{product}” a key of its own; empty: the client id above."
    )


def _product_secret(product: str) -> EncryptedTextField:
    return EncryptedTextField(help_text=f"The secret that belongs to the key of “{product}”.")


@declare_settings
class KRASettings(AccountSettings):
    """A taxpayer's branch with its control unit, and the taxpayer's GavaConnect credentials."""

    info = registry.Integration(
        slug="kra",
        name="KRA",
        label="KRA",
        category="TAX",
        required=("kra_pin",),
        portal_url="https://developer.go.ke",
        portal_help="Client id and secret are on the app's page of the developer portal, one pair "
        "for each API product. The device serial is what KRA approved on the eTIMS portal.",
        docs_url="https://developer.go.ke/apis",
    )

    account_field = "branch_code"
    aliases = MappingProxyType({"mode": "environment"})
    sections = SECTIONS

    integration = integration_link("kra_settings")
    transport = models.CharField(
        max_length=20,
        choices=Transport.choices,
        default=Transport.OSCU_DIRECT,
        help_text="How invoices reach KRA: its own host, its gateway, or the VSCU program.",
    )
    kra_pin = models.CharField(
        "KRA PIN", max_length=20, default="", blank=True, help_text="A letter, 9 digits, a letter."
    )
    branch_code = models.CharField(
        max_length=10,
        default="",
        blank=True,
        help_text="Two digits, as KRA told; 00 is the head office, but a first branch may be 01.",
    )
    base_url = models.URLField(
        default="",
        blank=True,
        help_text="Host of eTIMS in production; empty: KRA's own for the transport.",
    )
    sandbox_url = models.URLField(
        default="",
        blank=True,
        help_text="Host of eTIMS in the sandbox; empty: KRA's own for the transport.",
    )
    apigee_app_id = models.CharField(
        max_length=255, default="", blank=True, help_text="For the gateway: the id of the app."
    )
    client_id = EncryptedTextField(help_text="Consumer key of the app on the developer portal.")
    client_secret = EncryptedTextField(
        help_text="Consumer secret of the app on the developer portal."
    )
    username = models.CharField(
        max_length=255, default="", blank=True, help_text="Not used by any of KRA's APIs."
    )
    password = EncryptedTextField(help_text="Not used by any of KRA's APIs.")
    device_serial = models.CharField(
        max_length=255,
        default="",
        blank=True,
        help_text="The serial that KRA approved for this PIN and branch.",
    )
    pos_serial = models.CharField(max_length=255, default="", blank=True)
    communication_key = EncryptedTextField(
        help_text="KRA hands it out once, when the device is initialised. Paste one you have."
    )
    control_unit_id = models.CharField(
        max_length=100, default="", blank=True, help_text="sdcId, such as KRACU0100000001."
    )
    mrc_no = models.CharField("MRC number", max_length=100, default="", blank=True)
    starting_invoice_number = models.PositiveBigIntegerField(
        default=1, help_text="Of the first invoice from here; higher for a device used before."
    )
    starting_stock_number = models.PositiveBigIntegerField(
        default=1, help_text="Of the first stock movement from here."
    )
    starting_purchase_number = models.PositiveBigIntegerField(
        default=1, help_text="Of the first purchase confirmed from here."
    )
    amount_profile = models.CharField(
        max_length=20,
        choices=AmountProfile.choices,
        default=AmountProfile.NET_TAXABLE,
        help_text="What KRA's fields of an invoice line hold; sources disagree.",
    )
    tax_rates = models.CharField(
        max_length=100,
        default="",
        blank=True,
        help_text="Rates that replace those of KRA's code list, such as “B=16 E=8”.",
    )
    retail_customer_name = models.CharField(
        max_length=60,
        default="CASH SALE",
        help_text="Of sales without a customer: an invoice without a name can't be credited.",
    )
    retail_customer_pin = models.CharField(
        max_length=20, default="", blank=True, help_text="Of sales without one; usually empty."
    )
    unknown_items = models.CharField(
        max_length=10, choices=UnknownItem.choices, default=UnknownItem.REFUSE
    )
    default_item_code = models.CharField(max_length=20, default="", blank=True)
    default_item_class = models.CharField(max_length=10, default="", blank=True)
    default_packaging_unit = models.CharField(max_length=5, default="CT")
    default_quantity_unit = models.CharField(max_length=5, default="NO")
    credit_reasons = models.CharField(
        max_length=100,
        default="01 02 03 04 05 06",
        help_text="Reason codes that KRA takes for credit notes.",
    )
    credit_note_limit = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Most credit notes of one invoice; empty: no limit."
    )
    credit_note_months = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Months within which to credit; empty: no limit."
    )
    report_stock = models.BooleanField(
        default=False, help_text="Report goods to KRA's stock after each signed invoice."
    )
    signature_wait_seconds = models.PositiveSmallIntegerField(
        default=10, help_text="How long a caller waits before it gets a provisional receipt."
    )
    purchase_rejected_code = models.CharField(
        max_length=5,
        default="04",
        help_text="Status by which a supplier's invoice is rejected; 02 accepts it.",
    )
    first_list_date = models.CharField(
        max_length=14,
        default="20180101000000",
        help_text="From when KRA's lists are read the first time, as yyyyMMddHHmmss.",
    )
    registrar_id = models.CharField(max_length=20, default="admin")
    registrar_name = models.CharField(max_length=60, default="Admin")
    trade_name = models.CharField(max_length=20, default="", blank=True)
    receipt_address = models.CharField(max_length=200, default="", blank=True)
    top_message = models.CharField(max_length=20, default="", blank=True)
    bottom_message = models.CharField(max_length=20, default="", blank=True)
    qr_target = models.CharField(max_length=10, choices=QrTarget.choices, default=QrTarget.LINK)
    qr_url = models.URLField(default=QR_PRODUCTION, max_length=300)
    qr_sandbox_url = models.URLField(default=QR_SANDBOX, max_length=300)
    gavaconnect_url = models.URLField(default=GAVACONNECT_PRODUCTION)
    gavaconnect_sandbox_url = models.URLField(default=GAVACONNECT_SANDBOX)
    token_path = models.CharField(max_length=255, default="/v1/token/generate")
    certificate_path = models.CharField(max_length=255, default="/application/v1/tcc")
    compliance_path = models.CharField(max_length=255, default="/checker/v1/pinbypin")
    pin_by_pin_client_id = _product_key("PIN by PIN")
    pin_by_pin_client_secret = _product_secret("PIN by PIN")
    pin_by_id_client_id = _product_key("PIN by ID")
    pin_by_id_client_secret = _product_secret("PIN by ID")
    tcc_check_client_id = _product_key("TCC check")
    tcc_check_client_secret = _product_secret("TCC check")
    tcc_application_client_id = _product_key("TCC application")
    tcc_application_client_secret = _product_secret("TCC application")
    nil_return_client_id = _product_key("NIL return")
    nil_return_client_secret = _product_secret("NIL return")
    withholding_client_id = _product_key("Withholding PRN")
    withholding_client_secret = _product_secret("Withholding PRN")
    obligations_client_id = _product_key("Obligations")
    obligations_client_secret = _product_secret("Obligations")
    invoice_checker_client_id = _product_key("Invoice checker")
    invoice_checker_client_secret = _product_secret("Invoice checker")
    turnover_tax_client_id = _product_key("Turnover tax")
    turnover_tax_client_secret = _product_secret("Turnover tax")
    liabilities_client_id = _product_key("Liabilities")
    liabilities_client_secret = _product_secret("Liabilities")
    station_client_id = _product_key("KRA station")
    station_client_secret = _product_secret("KRA station")
    prn_search_client_id = _product_key("PRN search")
    prn_search_client_secret = _product_secret("PRN search")
    eslip_client_id = _product_key("e-slip")
    eslip_client_secret = _product_secret("e-slip")
    income_tax_exemption_client_id = _product_key("Income-tax exemption")
    income_tax_exemption_client_secret = _product_secret("Income-tax exemption")
    vat_exemption_client_id = _product_key("VAT exemption")
    vat_exemption_client_secret = _product_secret("VAT exemption")
    import_certificate_client_id = _product_key("Import certificate")
    import_certificate_client_secret = _product_secret("Import certificate")
    excise_licence_client_id = _product_key("Excise licence")
    excise_licence_client_secret = _product_secret("Excise licence")
    customs_declaration_client_id = _product_key("Customs declaration")
    customs_declaration_client_secret = _product_secret("Customs declaration")
    pin_registration_client_id = _product_key("PIN registration")
    pin_registration_client_secret = _product_secret("PIN registration")
    obligation_codes = models.CharField(
        max_length=300,
        default="1=Income tax, individual 2=Income tax, non-resident 3=Income tax, partnership "
        "4=Income tax, company 5=VAT 6=PAYE 7=Excise 8=Rental",
        blank=True,
        help_text="Obligation codes of NIL returns; sources disagree.",
    )
    gavaconnect_facts = models.TextField(
        default="",
        blank=True,
        help_text="What replaces our reading of a product, one a line: “station.code = 84000” "
        "(success), “tcc_check.good = Valid” (standing), “prn_search.number = prnNumber” (key), "
        "“eslip.token = /oauth/v1/generate” (where its tokens are had).",
    )
    paths = models.TextField(
        default="",
        blank=True,
        help_text="Paths that replace those of the transport, one a line: “save_sale = /path”.",
    )
    invoice_path = models.CharField(
        max_length=255, default="", blank=True, help_text="Of sales; empty: the transport's."
    )
    invoice_status_path = models.CharField(
        max_length=255, default="", blank=True, help_text="Of one invoice; empty: the transport's."
    )
    sync_path = models.CharField(
        max_length=255, default="", blank=True, help_text="Of code lists; empty: the transport's."
    )
    duplicate_codes = models.CharField(
        max_length=100,
        default="994 921",
        help_text="Result codes by which KRA says that it has this number already.",
    )
    vscu_duplicate_codes = models.CharField(
        max_length=100,
        default="994 921 899",
        help_text="The same for the VSCU, which has no code of its own for it.",
    )
    is_bearer_sent = models.BooleanField(
        "send a token to KRA's own host",
        default=False,
        help_text="One source does; the others send none.",
    )
    is_invoice_saved_twice = models.BooleanField(
        "call saveInvoice after saveSales",
        default=False,
        help_text="One source says that the VSCU wants it.",
    )
    purchaser_acceptance = models.CharField(
        max_length=1,
        choices=(("N", "N"), ("Y", "Y")),
        default="N",
        help_text="prchrAcptcYn of every invoice; most send N, some Y.",
    )
    is_supply_discounted = models.BooleanField(
        "send supply amounts after the discount",
        default=False,
        help_text="splyAmt of invoice lines; one source does, the others before it.",
    )
    is_receipt_enough = models.BooleanField(
        "settle by the receipt alone",
        default=True,
        help_text="A look-up that tells the receipt and not whose it is settles an invoice in "
        "doubt where it was signed after sending began; else a person decides.",
    )
    stock_adjusted_in_code = models.CharField(
        max_length=5,
        choices=(("06", "06"), ("05", "05")),
        default="06",
        help_text="Movement by which a count adds to the stock; one source swaps 05 and 06.",
    )
    read_timeout = models.PositiveSmallIntegerField(
        default=60, help_text="Seconds to wait for KRA's answer; it is often slow."
    )
    offline_hours = models.PositiveSmallIntegerField(
        default=24, help_text="Hours that a VSCU signs without contact to KRA."
    )
    offline_alarm_hours = models.PositiveSmallIntegerField(
        default=20, help_text="Raise an alarm when invoices have waited, or KRA was away, so long."
    )
    requests_per_second = models.PositiveIntegerField(
        default=10, help_text="Calls to KRA with these credentials, all processes together."
    )

    class Meta:
        verbose_name = "KRA Settings"
        verbose_name_plural = "KRA Settings"
        constraints = account_constraints(
            "kra_settings",
            "branch_code",
            taken="This business already has KRA settings. Add a further branch with “Main "
            "account” unticked.",
            known="This business already has settings for this branch.",
        )

    @property
    def mode(self) -> str:
        """The documented name of `environment`: "sandbox" or "production"."""
        return str(self.environment)

    @mode.setter
    def mode(self, value: str) -> None:
        self.environment = value

    @property
    def etims_url(self) -> str:
        """Where eTIMS is, in the row's environment, without a slash at the end."""
        own = self.base_url if self.environment == Environment.PRODUCTION else self.sandbox_url
        found = own or ETIMS_HOSTS[str(self.transport), str(self.environment)]
        return found.rstrip("/")

    @property
    def gavaconnect_active_url(self) -> str:
        """Where GavaConnect is, in the row's environment."""
        live = self.environment == Environment.PRODUCTION
        return (self.gavaconnect_url if live else self.gavaconnect_sandbox_url).rstrip("/")

    def outbound_urls(self) -> list[str]:
        """KRA's hosts of the environment, whichever transport is in use, and what replaces them.

        A change of transport thus moves no secret: the communication key can't be typed again.
        """
        own = self.base_url if self.environment == Environment.PRODUCTION else self.sandbox_url
        known = [] if own else [ETIMS_HOSTS[way, str(self.environment)] for way in Transport.values]
        return [*known, self.etims_url, self.gavaconnect_active_url]

    def config_values(self) -> dict[str, Any]:
        """The documented keys; `base_url` is eTIMS of the environment, `mode` its name.

        `gavaconnect_url` is the one of the environment too, and the three documented paths are
        those in use: from `paths` or the transport where they are empty.
        """
        live = {"base_url": self.etims_url, "gavaconnect_url": self.gavaconnect_active_url}
        return {**super().config_values(), **live, **self._used_paths()}

    def own_paths(self) -> dict[str, str]:
        """The paths that replace the transport's, by operation, from the text of `paths`."""
        return dict(read_lines(self.paths))

    def _used_paths(self) -> dict[str, str]:
        own = self.own_paths()
        preset = OWN_PATHS.get(str(self.transport), ("", "", ""))
        pairs = zip(_OWN_PATH_FIELDS.items(), preset, strict=True)
        return {
            field: getattr(self, field) or own.get(operation) or path
            for (field, operation), path in pairs
        }

    def clean(self) -> None:
        """Refuse what can't be: codes, paths, numbers, half pairs of keys, a key on the move.

        A PIN is brought to its form first.
        """
        for name in ("kra_pin", "retail_customer_pin"):
            setattr(self, name, (getattr(self, name) or "").strip().upper())
        self._empty_nones()
        faults = faults_of(self)
        if self._is_anothers():
            faults["branch_code"] = (
                "Another business has settings for this branch of this PIN. A control unit has "
                "one sequence of numbers: let both use one row."
            )
        moved = self._moved_key()
        if moved:
            faults["communication_key"] = moved
        if faults:
            raise ValidationError(faults)
        super().clean()

    def _is_anothers(self) -> bool:
        """Whether another business's row leads to the same control unit."""
        if not self.kra_pin or not self.branch_code:
            return False
        names = ("environment", "kra_pin", "branch_code")
        rows = type(self)._default_manager.filter(**{name: getattr(self, name) for name in names})
        return rows.exclude(business=self.business).exists()

    def _moved_key(self) -> str:
        """Why a kept communication key can't go to the PIN and branch that are named now."""
        before = self._stored()
        if before is None or "communication_key" not in self.kept_secrets(before):
            return ""
        names = ("kra_pin", "branch_code")
        if all(getattr(before, name) == getattr(self, name) for name in names):
            return ""
        return (
            f"The key belongs to {before.kra_pin} branch {before.branch_code}. Add a further row "
            "for another branch, or clear the key and the ids of the control unit."
        )
