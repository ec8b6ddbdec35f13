"""STK push and its query. Source: Daraja reference, sections 4 and 5."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from integrations.providers.mpesa.client.answers import (
    QueryAnswer,
    as_error,
    is_accepted,
    read_body,
    read_query_answer,
)
from integrations.providers.mpesa.client.connection import ASK_LIMITS, PUSH_LIMITS, Connection
from integrations.providers.mpesa.payloads import (
    StkPush,
    clean_text,
    stk_push_body,
    stk_query_body,
)

PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
QUERY_PATH = "/mpesa/stkpushquery/v1/query"


@dataclass(frozen=True, slots=True)
class StkAck:
    """Daraja accepted a push: a prompt is on its way. Not paid yet."""

    checkout_id: str
    merchant_request_id: str
    message: str


class StkCalls(Connection):
    """Prompts on phones."""

    def stk_push(
        self,
        push: StkPush,
        *,
        callback_url: str,
        deadline: float | None = None,
        reference: str = "",
    ) -> StkAck:
        """Ask the payer to pay. Never sent twice unless it provably did not arrive.

        Raises ProviderError when Daraja refused (nothing was created), TransportError (see its
        `sent`), OutcomeUnknown when the answer says neither yes nor no.
        """
        body = stk_push_body(
            push,
            passkey=self.config.text("passkey"),
            callback_url=callback_url,
            now=timezone.now(),
        )
        response = self._post(
            "stk_push",
            PUSH_PATH,
            body,
            limits=PUSH_LIMITS,
            deadline=deadline,
            reference=reference,
        )
        answer = read_body(response)
        checkout_id = clean_text(answer.get("CheckoutRequestID") or "", 100)
        if is_accepted(response, answer) and checkout_id:
            return StkAck(
                checkout_id=checkout_id,
                merchant_request_id=clean_text(answer.get("MerchantRequestID") or "", 100),
                message=clean_text(answer.get("CustomerMessage") or "", 300),
            )
        raise as_error(response, answer)

    def stk_query(
        self, checkout_id: str, *, short_code: str = "", reference: str = ""
    ) -> QueryAnswer:
        """Ask what became of a push. Safe to repeat.

        Raises TransportError when no usable answer came. Error answers are returned, since
        most of them mean "ask again".
        """
        body = stk_query_body(
            short_code=short_code or str(self.config.values["short_code"]),
            passkey=self.config.text("passkey"),
            checkout_id=checkout_id,
            now=timezone.now(),
        )
        response = self._post(
            "stk_query",
            QUERY_PATH,
            body,
            idempotent=True,
            limits=ASK_LIMITS,
            reference=reference,
            # Answers in an HTTP 500 are Daraja's way of saying "pending"; the caller asks again.
            retry=1,
        )
        return read_query_answer(response.status, response.json())
