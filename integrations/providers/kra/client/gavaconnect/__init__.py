"""GavaConnect: PINs, certificates, returns and payment registration numbers.

    GavaClient(config).ask("pin_by_pin", {"pin": "A123456789B"}).data

Source: eTIMS reference, sections 1, 3 and 11.
"""

from __future__ import annotations

from integrations.providers.kra.client.gavaconnect.answers import GavaAnswer
from integrations.providers.kra.client.gavaconnect.client import LONGEST_WAIT, GavaClient
from integrations.providers.kra.client.gavaconnect.overrides import product_of
from integrations.providers.kra.client.gavaconnect.products import PRODUCTS, Product
from integrations.providers.kra.client.gavaconnect.reading import told, told_date, told_text

__all__ = [
    "LONGEST_WAIT",
    "PRODUCTS",
    "GavaAnswer",
    "GavaClient",
    "Product",
    "product_of",
    "told",
    "told_date",
    "told_text",
]
