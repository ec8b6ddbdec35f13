"""The conversation with Daraja: token, STK push, STK query.

Source: Daraja reference, sections 1 to 5. Decides on the body first, the HTTP status second.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from integrations.config import Snapshot
from integrations.exceptions import (
    ConfigurationError,
    OutcomeUnknown,
    ProviderError,
    TransportError,
)
from integrations.outbound import Call, Client, Limits, Response
from integrations.providers.mpesa.codes import (
    PRODUCT_MISSING,
    TOKEN_REJECTIONS,
    ErrorMeaning,
    Explanation,
    Refusal,
    explain,
    explain_error,
)
from integrations.providers.mpesa.payloads import (
    StkPush,
    clean_text,
    stk_push_body,
    stk_query_body,
)

TOKEN_PATH = "/oauth/v1/generate?grant_type=client_credentials"  # noqa: S105 - a path
PUSH_PATH = "/mpesa/stkpush/v1/processrequest"
QUERY_PATH = "/mpesa/stkpushquery/v1/query"
# Seconds. The total is what the ledger's lease is checked against.
PUSH_LIMITS = Limits(connect=5.0, read=20.0, total=25.0)
ASK_LIMITS = Limits(connect=5.0, read=10.0, total=15.0)
TOKEN_LIMITS = Limits(connect=5.0, read=10.0, total=15.0)


@dataclass(frozen=True, slots=True)
class StkAck:
    """Daraja accepted a push: a prompt is on its way. Not paid yet."""

    checkout_id: str
    merchant_request_id: str
    message: str


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """What an STK query said. `explanation` is None where no state could be had."""

    body: dict[str, Any]
    explanation: Explanation | None
    error: ErrorMeaning | None = None
    result_text: str = ""


class DarajaClient:
    """Daraja with one row's credentials. Cheap to make; connections are pooled below it."""

    def __init__(self, config: Snapshot) -> None:
        config.require_configured()
        self.config = config
        self.base_url = str(config.values["base_url"]).rstrip("/")
        digest = hashlib.sha256(
            f"{config.text('consumer_key')}:{config.text('consumer_secret')}".encode()
        ).hexdigest()[:32]
        self._door = Client(
            "mpesa",
            credential=digest,
            hosts=config.hosts,
            business=config.business,
            environment=config.environment,
        )

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
        call = Call(
            operation="stk_push",
            method="POST",
            url=self.base_url + PUSH_PATH,
            json=body,
            limits=PUSH_LIMITS,
            deadline=deadline,
            reference=reference,
        )
        response = self._send(call)
        answer = _push_answer(response)
        checkout_id = clean_text(answer.get("CheckoutRequestID") or "", 100)
        if _accepted(response, answer) and checkout_id:
            return StkAck(
                checkout_id=checkout_id,
                merchant_request_id=clean_text(answer.get("MerchantRequestID") or "", 100),
                message=clean_text(answer.get("CustomerMessage") or "", 300),
            )
        raise _as_error(response, answer)

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
        call = Call(
            operation="stk_query",
            method="POST",
            url=self.base_url + QUERY_PATH,
            json=body,
            idempotent=True,
            limits=ASK_LIMITS,
            reference=reference,
            # Answers in an HTTP 500 are Daraja's way of saying "pending"; the caller asks again.
            retry=1,
        )
        response = self._send(call)
        return read_query_answer(response.status, response.json())

    def check(self) -> str:
        """Get an access token with the present credentials: the cheapest authenticated call.

        Raises ProviderError or TransportError with a text for the person who typed the keys.
        """
        self._door.require_host(self.base_url)
        self._door.renew_token(self._fetch_token)
        return f"Connected to {self.base_url}: the consumer key and secret are accepted."

    def _send(self, call: Call) -> Response:
        return self._door.send(
            call, authorize=self._fetch_token, rejects_token=rejects_token, classify=classify
        )

    def _fetch_token(self, deadline: float | None) -> tuple[str, float]:
        pair = f"{self.config.text('consumer_key')}:{self.config.text('consumer_secret')}"
        call = Call(
            operation="token",
            method="GET",
            url=self.base_url + TOKEN_PATH,
            headers={"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()},
            idempotent=True,
            limits=TOKEN_LIMITS,
            deadline=deadline,
        )
        response = self._door.send(call)
        if 400 <= response.status < 500:
            raise ProviderError(
                "M-Pesa refused the consumer key and secret: check both, and that they belong to "
                f"the {self.config.environment} environment.",
                code="bad_credentials",
                permanent=True,
            )
        answer = response.json()
        token, lifetime = str(answer.get("access_token") or ""), answer.get("expires_in")
        if response.status != 200 or not token:
            raise ProviderError(
                "M-Pesa gave no access token; its service may be down.",
                code=str(answer.get("errorCode") or response.status)[:40],
                permanent=False,
            )
        return token, _seconds(lifetime)


def _seconds(value: object) -> float:
    """`expires_in` is text in most samples and a number in the newest (section 2)."""
    try:
        return max(float(str(value)), 1.0)
    except ValueError:
        return 3599.0


def _push_answer(response: Response) -> dict[str, Any]:
    """The answer to a push; {} for a gateway's own page that refuses it.

    Raises TransportError (sent) for any other body that is not JSON. 408 is a proxy that gave
    up waiting: what lay behind it is not known.
    """
    try:
        return response.json()
    except TransportError:
        if 400 <= response.status < 500 and response.status != 408:
            return {}
        raise


def _fields(response: Response) -> tuple[str, str]:
    """(error code, message) of an error envelope; "" where the body is something else."""
    try:
        return _envelope(response.json())
    except TransportError:  # HTML, empty: no envelope
        return "", ""


def _envelope(body: dict[str, Any]) -> tuple[str, str]:
    code, message = body.get("errorCode") or "", body.get("errorMessage") or ""
    return clean_text(code, 40), clean_text(message, 300)


def rejects_token(response: Response) -> bool:
    """Whether the answer refuses the access token, in any of its dresses (section 2)."""
    if response.status not in (400, 401, 404):
        return False
    code, message = _fields(response)
    return code in TOKEN_REJECTIONS and PRODUCT_MISSING not in message.lower()


def classify(response: Response) -> tuple[str, str, str]:
    """(outcome, code, request id) for the call's record; raises TransportError for no JSON."""
    body = response.json()
    request_id = str(body.get("requestId") or body.get("MerchantRequestID") or "")[:120]
    if _accepted(response, body):
        return "ok", "", request_id
    code, message = _fields(response)
    meaning = explain_error(response.status, code, message)
    outcome = {Refusal.UNCERTAIN: "unknown", Refusal.PENDING: "ok"}.get(meaning.refusal, "refused")
    return outcome, (code or str(body.get("ResponseCode") or response.status))[:40], request_id


def _accepted(response: Response, body: dict[str, Any]) -> bool:
    """Code 0 in a good answer; an errorCode inside HTTP 200 is still an error (section 3)."""
    code = str(body.get("ResponseCode", "")).strip()
    return response.status == 200 and not body.get("errorCode") and code.strip("0") == "" != code


def _as_error(response: Response, body: dict[str, Any]) -> Exception:
    request_id = str(body.get("requestId") or "")[:120]
    if response.status == 200 and "ResponseCode" in body and not body.get("errorCode"):
        text = clean_text(body.get("ResponseDescription") or "no reason given", 120)
        if _accepted(response, body):
            return OutcomeUnknown("M-Pesa accepted the request without naming it.")
        return ProviderError(
            f"M-Pesa refused the request: {text}",
            code=clean_text(body["ResponseCode"], 40),
            permanent=True,
            request_id=request_id,
        )
    meaning = explain_error(response.status, *_envelope(body))
    if meaning.refusal in (Refusal.PERMANENT, Refusal.LATER):
        return ProviderError(
            meaning.text,
            code=meaning.code,
            permanent=meaning.refusal is Refusal.PERMANENT,
            request_id=request_id,
        )
    return OutcomeUnknown(meaning.text, code=meaning.code)


def read_query_answer(status: int, body: dict[str, Any]) -> QueryAnswer:
    """A query's answer: a result code in words, or what its error means."""
    code, message = _envelope(body)
    result = clean_text(body.get("ResultCode", ""), 40)
    if status == 200 and not code and result and body["ResultCode"] is not None:
        text = clean_text(body.get("ResultDesc") or "", 300)
        return QueryAnswer(body, explain(result), result_text=text)
    return QueryAnswer(body, None, error=explain_error(status, code, message))


def check_connection(config: Snapshot) -> str:
    """The registered connection test of M-Pesa."""
    if not config.text("consumer_key") or not config.text("consumer_secret"):
        raise ConfigurationError("Enter the consumer key and the consumer secret first.")
    return DarajaClient(config).check()
