"""The shortcodes the emulator knows (reference, sections 1 and 4)."""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import dataclass, field

# section 1 [3+]: published by Safaricom for everybody, not a secret.
PUBLISHED_PASSKEY = "bfb279f9aa9bdbcf158e97dd71a467cd2e0c893059b10f78e6b72ada1ed2c919"

PAYBILL = "paybill"
TILL = "till"
_TYPE_OF_KIND = {PAYBILL: "CustomerPayBillOnline", TILL: "CustomerBuyGoodsOnline"}

# section 12 [3+]: the usual account names; the list varies.
WORKING = "Working Account"
UTILITY = "Utility Account"
CHARGES = "Charges Paid Account"
MERCHANT = "Merchant Account"


@dataclass(frozen=True, slots=True)
class Merchant:
    """One go-live shortcode: a PayBill, or the store number behind tills (section 4 [3+]).

    A bulk organisation pays out of its utility account (section 9 [2]); any other PayBill is a
    "one account" organisation, which pays out of its working account.
    """

    shortcode: str
    passkey: str = field(repr=False)
    kind: str = PAYBILL
    tills: tuple[str, ...] = ()
    name: str = "SANDBOX SHOP"
    is_bulk: bool = False

    @property
    def account_names(self) -> tuple[str, ...]:
        """Its accounts, in the order in which a balance answer lists them."""
        names = (WORKING, UTILITY, CHARGES)
        return (*names, MERCHANT) if self.kind == TILL else names

    @property
    def income_account(self) -> str:
        """Where payments of customers arrive."""
        return MERCHANT if self.kind == TILL else WORKING

    @property
    def payout_account(self) -> str:
        """What payouts are taken from."""
        return UTILITY if self.is_bulk else WORKING

    def accepts_password(self, password: str, timestamp: str) -> bool:
        """Password is base64(shortcode + passkey + Timestamp), nothing between (section 4 [3+])."""
        expected = b64encode(f"{self.shortcode}{self.passkey}{timestamp}".encode())
        return hmac.compare_digest(expected, password.encode(errors="replace"))

    def refuse_route(self, transaction_type: str, party_b: str) -> str | None:
        """The result code of a wrong TransactionType or PartyB, or None (sections 4, 7 [3+])."""
        if transaction_type != _TYPE_OF_KIND[self.kind]:
            return "2028"
        if self.kind == PAYBILL:
            return None if party_b == self.shortcode else "2028"
        return None if party_b in self.tills else "SFC_IC0003"


PAYBILL_EXAMPLE = Merchant("174379", PUBLISHED_PASSKEY, name="DARAJA SANDBOX")
# A till as shops get them: BusinessShortCode is the store number, PartyB the till number.
TILL_EXAMPLE = Merchant(
    "5310080", PUBLISHED_PASSKEY, kind=TILL, tills=("9310081",), name="SANDBOX TILL"
)
# section 1 [3+]: the published shortcodes of C2B and B2C. One of them is a bulk organisation.
OTHER_EXAMPLES = (
    Merchant("600000", PUBLISHED_PASSKEY, name="SANDBOX SCHOOL"),
    Merchant("600984", PUBLISHED_PASSKEY, name="SANDBOX PAYROLL", is_bulk=True),
    Merchant("600997", PUBLISHED_PASSKEY, name="SANDBOX BRANCH"),
    Merchant("600999", PUBLISHED_PASSKEY, name="SANDBOX STORES"),
)


def default_merchants() -> dict[str, Merchant]:
    """The merchants that exist after a reset, by shortcode."""
    examples = (PAYBILL_EXAMPLE, TILL_EXAMPLE, *OTHER_EXAMPLES)
    return {merchant.shortcode: merchant for merchant in examples}
