"""Documents for KRA: read, checked, worked out, before anything is stored or sent."""

from __future__ import annotations

from integrations.kra.documents.credited import check_credit
from integrations.kra.documents.pins import PIN, check_pin
from integrations.kra.documents.prepare import prepare
from integrations.kra.documents.prepared import Prepared
from integrations.kra.documents.rates import tax_rates
from integrations.kra.documents.read import read_invoice

__all__ = ["PIN", "Prepared", "check_credit", "check_pin", "prepare", "read_invoice", "tax_rates"]
