"""Whether an app may use a product: an empty request, which can move nothing.

The gateway looks at the app before it looks at the fields. Source: Daraja reference, sections 1
and 21.
"""

from __future__ import annotations

from integrations.exceptions import TransportError
from integrations.providers.mpesa.client import c2b, initiator, pull, stk
from integrations.providers.mpesa.client.answers import envelope
from integrations.providers.mpesa.client.connection import ASK_LIMITS, Connection
from integrations.providers.mpesa.codes import PRODUCT_MISSING, TOKEN_REJECTIONS, explain_error
from integrations.providers.mpesa.payloads import b2c_version, c2b_version


class ProbeCalls(Connection):
    """Asks about products."""

    def missing_product(self, operation: str) -> str:
        """Why the app may not use a product, in words; "" where it may.

        `operation` is one of `products()`. Raises TransportError where nothing can be said.
        """
        response = self._post("probe", self.products()[operation], {}, limits=ASK_LIMITS, retry=1)
        code, message = envelope(response.json())
        is_missing = PRODUCT_MISSING in message.lower() or code in TOKEN_REJECTIONS
        if is_missing or code.startswith("403."):
            return explain_error(response.status, code, message, operation=operation).text
        if not code:
            raise TransportError("M-Pesa gave no usable answer.", sent=True, code="not_json")
        return ""

    def products(self) -> dict[str, str]:
        """The address of each product, by operation."""
        return {
            "stk_push": stk.PUSH_PATH,
            "b2c": initiator.PAYOUT_PATH.format(version=b2c_version(self.config)),
            "reversal": initiator.REVERSAL_PATH,
            "transaction_status": initiator.STATUS_PATH,
            "account_balance": initiator.BALANCE_PATH,
            "c2b_register": c2b.REGISTER_PATH.format(version=c2b_version(self.config)),
            "pull": pull.PULL_PATH,
        }
