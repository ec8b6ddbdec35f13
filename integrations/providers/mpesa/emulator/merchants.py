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


@dataclass(frozen=True, slots=True)
class Merchant:
    """One go-live shortcode: a PayBill, or the store number behind tills (section 4 [3+])."""

    shortcode: str
    passkey: str = field(repr=False)
    kind: str = PAYBILL
    tills: tuple[str, ...] = ()
    name: str = "SANDBOX SHOP"

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


def default_merchants() -> dict[str, Merchant]:
    """The merchants that exist after a reset, by shortcode."""
    return {merchant.shortcode: merchant for merchant in (PAYBILL_EXAMPLE, TILL_EXAMPLE)}
