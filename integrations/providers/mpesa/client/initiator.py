"""What is asked in the initiator's name: payouts, reversals, status, balances.

Source: Daraja reference, sections 9 and 11 to 13. The answer is only an acknowledgement; the
result comes to the result URL, also before the acknowledgement.
"""

from __future__ import annotations

from integrations.providers.mpesa.client.answers import Ack, read_ack
from integrations.providers.mpesa.client.connection import ASK_LIMITS, PUSH_LIMITS, Connection
from integrations.providers.mpesa.payloads import (
    Payout,
    Reversal,
    b2c_body,
    b2c_version,
    balance_body,
    reversal_body,
    status_body,
)

PAYOUT_PATH = "/mpesa/b2c/{version}/paymentrequest"
REVERSAL_PATH = "/mpesa/reversal/v1/request"
STATUS_PATH = "/mpesa/transactionstatus/v1/query"
BALANCE_PATH = "/mpesa/accountbalance/v1/query"


class InitiatorCalls(Connection):
    """Money out, money back, and questions.

    Each raises ProviderError where Daraja refused (nothing was created), TransportError (see
    its `sent`), OutcomeUnknown where the answer says neither yes nor no, and ConfigurationError
    for an initiator without name or credential.
    """

    def b2c(
        self,
        payout: Payout,
        *,
        result_url: str,
        timeout_url: str,
        deadline: float | None = None,
        reference: str = "",
    ) -> Ack:
        """Pay one phone. Never sent twice unless it provably did not arrive.

        OutcomeUnknown with code "duplicate_originator" says that M-Pesa has a payout with this
        `originator_id` already: ask what became of it. With v1 the id is the acknowledgement's.
        """
        path = PAYOUT_PATH.format(version=b2c_version(self.config))
        body = b2c_body(self.config, payout, result_url=result_url, timeout_url=timeout_url)
        response = self._post(
            "b2c", path, body, limits=PUSH_LIMITS, deadline=deadline, reference=reference
        )
        return read_ack(response, operation="b2c")

    def reverse(
        self,
        reversal: Reversal,
        *,
        result_url: str,
        timeout_url: str,
        deadline: float | None = None,
        reference: str = "",
    ) -> Ack:
        """Give the money of one receipt back. Never sent twice unless it did not arrive.

        Only the acknowledgement's `originator_id` lets anybody ask about it later.
        """
        body = reversal_body(self.config, reversal, result_url=result_url, timeout_url=timeout_url)
        response = self._post(
            "reversal",
            REVERSAL_PATH,
            body,
            limits=PUSH_LIMITS,
            deadline=deadline,
            reference=reference,
        )
        return read_ack(response, operation="reversal")

    def transaction_status(
        self,
        *,
        receipt: str = "",
        originator_id: str = "",
        short_code: str = "",
        result_url: str,
        timeout_url: str,
        deadline: float | None = None,
        reference: str = "",
    ) -> Ack:
        """Ask what became of a transaction, by receipt or by id. Safe to repeat, by whoever asks:
        each request that arrives has a result of its own, and so needs an address of its own.

        `short_code` is the receiving party, the row's own if left out; a till's number asks as
        that till. Raises InvalidInput unless exactly one of receipt and id is given.
        """
        body = status_body(
            self.config,
            receipt=receipt,
            originator_id=originator_id,
            short_code=short_code,
            result_url=result_url,
            timeout_url=timeout_url,
        )
        response = self._post(
            "transaction_status",
            STATUS_PATH,
            body,
            limits=ASK_LIMITS,
            deadline=deadline,
            reference=reference,
        )
        return read_ack(response, operation="transaction_status")

    def account_balance(
        self,
        *,
        short_code: str = "",
        result_url: str,
        timeout_url: str,
        deadline: float | None = None,
        reference: str = "",
    ) -> Ack:
        """Ask what the accounts of a short code hold. To be repeated as `transaction_status`."""
        body = balance_body(
            self.config, short_code=short_code, result_url=result_url, timeout_url=timeout_url
        )
        response = self._post(
            "account_balance",
            BALANCE_PATH,
            body,
            limits=ASK_LIMITS,
            deadline=deadline,
            reference=reference,
        )
        return read_ack(response, operation="account_balance")
