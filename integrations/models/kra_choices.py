"""What the settings of KRA choose from, and what they fall back on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from django.db import models

from integrations.models.settings_model import Environment

# eTIMS reference, section 1. Production of the gateway is [2]: `base_url` replaces it.
GAVACONNECT_SANDBOX = "https://sbx.kra.go.ke"
GAVACONNECT_PRODUCTION = "https://api.kra.go.ke"
_SANDBOX, _PRODUCTION = Environment.SANDBOX.value, Environment.PRODUCTION.value
ETIMS_HOSTS = MappingProxyType(
    {
        ("oscu_direct", _SANDBOX): "https://etims-api-sbx.kra.go.ke/etims-api",
        ("oscu_direct", _PRODUCTION): "https://etims-api.kra.go.ke/etims-api",
        ("oscu_gateway", _SANDBOX): "https://sbx.kra.go.ke/etims-oscu/api/v1",
        ("oscu_gateway", _PRODUCTION): "https://api.kra.go.ke/etims-oscu/api/v1",
        ("vscu", _SANDBOX): "http://localhost:8088",
        ("vscu", _PRODUCTION): "http://localhost:8088",
    }
)
# Section 5: what the three documented path settings are where they are empty. The whole table is
# in `integrations/providers/kra/client`.
OWN_PATHS = MappingProxyType(
    {
        "oscu_direct": ("/saveTrnsSalesOsdc", "/selectInvoiceDetails", "/selectCodeList"),
        "oscu_gateway": ("/sendSalesTransaction", "/selectInvoiceDetail", "/selectCodeList"),
        "vscu": ("/trnsSales/saveSales", "", "/code/selectCodes"),
    }
)
# Section 9.
QR_PRODUCTION = "https://etims.kra.go.ke/common/link/etims/receipt/indexEtimsReceiptData?Data="
QR_SANDBOX = "https://etims-sbx.kra.go.ke/common/link/etims/receipt/indexEtimsReceiptData?Data="


class Transport(models.TextChoices):
    """The three ways to a control unit (reference, section 1)."""

    OSCU_DIRECT = "oscu_direct", "OSCU, KRA's own host"
    OSCU_GATEWAY = "oscu_gateway", "OSCU, through KRA's gateway"
    VSCU = "vscu", "VSCU on this machine"


class AmountProfile(models.TextChoices):
    """What the price, supply and taxable fields hold (reference, section 7)."""

    NET_TAXABLE = "net_taxable", "Prices with VAT, taxable amounts without"
    SPEC_INCLUSIVE = "spec_inclusive", "Everything with VAT, as the specification's samples"
    ALL_NET = "all_net", "Everything without VAT"


class UnknownItem(models.TextChoices):
    """What becomes of a line whose item is not in the catalogue."""

    REFUSE = "refuse", "Refuse the invoice, naming the line"
    DEFAULT = "default", "Sell it as the default item"


class QrTarget(models.TextChoices):
    """What the QR code of a receipt holds (reference, section 9)."""

    LINK = "link", "KRA's page about the receipt"
    TEXT = "text", "The receipt's data as text (VSCU)"


# Products of GavaConnect that may have a key pair of their own (section 1).
OWN_KEYS = (
    "pin_by_pin",
    "pin_by_id",
    "tcc_check",
    "tcc_application",
    "nil_return",
    "withholding",
    "obligations",
    "invoice_checker",
    "turnover_tax",
    "liabilities",
    "station",
    "prn_search",
    "eslip",
    "income_tax_exemption",
    "vat_exemption",
    "import_certificate",
    "excise_licence",
    "customs_declaration",
    "pin_registration",
)
# The form's parts, with their fields in order.
SECTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Control unit": (
            "device_serial", "communication_key", "control_unit_id", "mrc_no", "pos_serial",
            "starting_invoice_number", "starting_stock_number", "starting_purchase_number",
        ),
        "Invoices": (
            "amount_profile", "tax_rates", "retail_customer_name", "retail_customer_pin",
            "unknown_items", "default_item_code", "default_item_class",
            "default_packaging_unit", "default_quantity_unit", "credit_reasons",
            "credit_note_limit", "credit_note_months", "report_stock",
            "signature_wait_seconds", "registrar_id", "registrar_name",
        ),
        "Receipts": (
            "trade_name", "receipt_address", "top_message", "bottom_message", "qr_target",
            "qr_url", "qr_sandbox_url",
        ),
        "GavaConnect": (
            "client_id", "client_secret", "gavaconnect_url", "gavaconnect_sandbox_url",
            "username", "password", "token_path", "certificate_path", "compliance_path",
            *(f"{name}_client_{part}" for name in OWN_KEYS for part in ("id", "secret")),
            "obligation_codes", "gavaconnect_facts",
        ),
        "What KRA does not document": (
            "paths", "invoice_path", "invoice_status_path", "sync_path", "duplicate_codes",
            "vscu_duplicate_codes", "purchase_rejected_code", "first_list_date",
            "is_bearer_sent", "is_invoice_saved_twice", "purchaser_acceptance",
            "is_supply_discounted", "is_receipt_enough", "stock_adjusted_in_code",
            "read_timeout", "offline_hours", "offline_alarm_hours", "requests_per_second",
        ),
    }
)  # fmt: skip
