"""Addresses for customers' own payments, and pretended payments in the sandbox. Section 8."""

from __future__ import annotations

from integrations.providers.mpesa.client.answers import Ack, read_ack
from integrations.providers.mpesa.client.connection import ASK_LIMITS, PUSH_LIMITS, Connection
from integrations.providers.mpesa.payloads import c2b_version, register_body, simulate_body

REGISTER_PATH = "/mpesa/c2b/{version}/registerurl"
SIMULATE_PATH = "/mpesa/c2b/{version}/simulate"


class C2BCalls(Connection):
    """Both in the version of the row. Errors as for payouts."""

    def register_c2b(
        self, *, confirmation_url: str, validation_url: str, deadline: float | None = None
    ) -> Ack:
        """Register where M-Pesa tells of customers' payments.

        In production this can be done once: a second time raises ProviderError with code
        "already_registered". It is repeated by itself in the sandbox only.
        """
        body = register_body(
            self.config, confirmation_url=confirmation_url, validation_url=validation_url
        )
        response = self._post(
            "c2b_register",
            REGISTER_PATH.format(version=c2b_version(self.config)),
            body,
            idempotent=self.config.environment != "production",
            limits=ASK_LIMITS,
            deadline=deadline,
        )
        return read_ack(response, operation="c2b_register")

    def simulate_c2b(
        self,
        *,
        phone: object,
        amount: object,
        bill_ref: object,
        command: str = "CustomerPayBillOnline",
    ) -> Ack:
        """Pretend that a customer paid. Raises Unsupported in production, InvalidInput."""
        body = simulate_body(
            self.config, phone=phone, amount=amount, bill_ref=bill_ref, command=command
        )
        path = SIMULATE_PATH.format(version=c2b_version(self.config))
        response = self._post("c2b_simulate", path, body, limits=PUSH_LIMITS)
        return read_ack(response, operation="c2b_simulate")
