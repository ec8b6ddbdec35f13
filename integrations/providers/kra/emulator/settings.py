"""The switches of the emulator; all can be set through the control API and survive a kill."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

# Section 7.1 [3+]; the gateway sandbox insisted on E 0 [1 live].
RATES = {"A": "0", "B": "16", "C": "0", "D": "0", "E": "8"}
PROFILES = ("net_taxable", "spec_inclusive", "all_net")
CHOICES: dict[str, tuple[str, ...]] = {
    "amount_profile": PROFILES,
    "duplicate_code": ("994", "921"),
    "vscu_duplicate_code": ("899", "994", "921"),
    "gap_code": ("910", "921"),
    "unapproved_code": ("905", "903", "901"),
    "gateway_duplicate": ("sequence", "code"),
    "gateway_second_init": ("902", "same"),
    "expires_form": ("text", "number"),
    "empty_form": ("list", "null"),
    "found_form": ("whole", "receipt"),
}


@dataclass(slots=True)
class Settings:
    """What can be switched; each is a fact that the reference marks below [3+]."""

    amount_profile: str = "net_taxable"  # section 7 [1 live]
    tolerance: str = "0.01"  # section 13, in shillings
    rates: dict[str, str] = field(default_factory=lambda: dict(RATES))  # what KRA insists on
    listed_rates: dict[str, str] = field(default_factory=lambda: dict(RATES))  # class 04
    duplicate_code: str = "994"  # sections 6.5 and 8 [2]
    vscu_duplicate_code: str = "899"  # section 8 [2]
    gap_code: str = "910"  # [guess]; with the text of section 6.5
    # Section 6.5: the gateway's word for a number that it has: its sequence error [guess], or 994.
    gateway_duplicate: str = "sequence"
    # Section 4 [1 live]: the gateway's sandbox took the call again; "same" answers what the first
    # did, as it must have.
    gateway_second_init: str = "902"
    unapproved_code: str = "905"  # section 4 [2]
    is_stock_demanded: bool = True  # section 5.3 [1 live], on the gateway
    is_credit_limited: bool = False  # section 6.6 [2]: "KRA may not check"
    is_supply_discounted: bool = False  # section 7 [1]: splyAmt of invoices after the discount
    is_saved_twice: bool = False  # section 5 [1]: the VSCU wants saveInvoice too
    vscu_lookup_path: str = ""  # section 5: unknown; a path opens one
    offline_hours: float = 24.0  # section 9 [2]
    expires_form: str = "text"  # section 3 [3+]
    # Section 2.1: what is in `data` where nothing was found: the empty list, or null.
    empty_form: str = "list"
    # Section 5.1 [1 live]: an invoice that is asked for is told whole, or as customer and receipt.
    found_form: str = "whole"
    latency: float = 0.0  # real seconds before every answer

    def rate(self, tax_type: str) -> Decimal:
        """What KRA insists on for a tax type, in percent."""
        return Decimal(self.rates[tax_type])
