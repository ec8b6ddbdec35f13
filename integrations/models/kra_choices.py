"""What the settings of KRA choose from, and what they fall back on."""

from __future__ import annotations

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
