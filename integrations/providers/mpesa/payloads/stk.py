"""STK push and its query. Source: Daraja reference, sections 4 and 5."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.conf import hub_settings
from integrations.config import Snapshot
from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import TransactionType
from integrations.phone import kenyan_msisdn
from integrations.providers.mpesa.payloads.common import check_range, timestamp_at, whole_kes

REFERENCE_LENGTH = 12
DESCRIPTION_LENGTH = 13


@dataclass(frozen=True, slots=True)
class StkPush:
    """A checked request for one prompt. `amount` is whole KES, `phone` is 2547…/2541…"""

    phone: str
    amount: int
    account_reference: str
    description: str
    transaction_type: str
    short_code: str
    party_b: str


def check_stk_push(
    config: Snapshot,
    *,
    phone: object,
    amount: object,
    account_reference: object,
    description: object,
    transaction_type: str | None = None,
) -> StkPush:
    """The caller's values checked against M-Pesa's rules and this row's limits.

    Raises InvalidInput naming the field, ConfigurationError for a till without its numbers.
    """
    kind = str(transaction_type or config.values["transaction_type"])
    if kind not in TransactionType.values:
        raise InvalidInput(
            "transaction_type", f"must be one of {', '.join(TransactionType.values)}."
        )
    short_code = str(config.values["short_code"])
    return StkPush(
        phone=kenyan_msisdn(phone),
        amount=check_range(
            whole_kes(amount), config.values["minimum_amount"], config.values["maximum_amount"]
        ),
        account_reference=_check_reference(account_reference),
        description=_check_description(description),
        transaction_type=kind,
        short_code=short_code,
        party_b=_till(config) if kind == TransactionType.TILL else short_code,
    )


def _check_reference(value: object) -> str:
    is_text = isinstance(value, str | int) and not isinstance(value, bool)
    # Single spaces: whatever tells of the payment again is compared with it.
    text = re.sub(" +", " ", str(value).strip()) if is_text else ""
    if not text:
        raise InvalidInput("account_reference", "must not be empty.", code="invalid_reference")
    if len(text) > REFERENCE_LENGTH:
        raise InvalidInput(
            "account_reference",
            f"has {len(text)} characters; M-Pesa carries at most {REFERENCE_LENGTH}.",
            code="reference_too_long",
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._/#-]*", text):
        raise InvalidInput(
            "account_reference",
            "may hold letters, digits, spaces and . _ / # - only.",
            code="invalid_reference",
        )
    return text


def _check_description(value: object) -> str:
    text = str(value).strip() if isinstance(value, str) else ""
    if not text:
        raise InvalidInput("description", "must not be empty.", code="invalid_description")
    if not text.isprintable():
        raise InvalidInput("description", "has control characters.", code="invalid_description")
    if len(text) <= DESCRIPTION_LENGTH:
        return text
    if hub_settings.mpesa_shorten_description:
        return text[:DESCRIPTION_LENGTH].rstrip()
    raise InvalidInput(
        "description",
        f"has {len(text)} characters; M-Pesa carries at most {DESCRIPTION_LENGTH}.",
        code="description_too_long",
    )


def _till(config: Snapshot) -> str:
    till = str(config.values["till_number"] or "")
    if not till or till == config.values["short_code"]:
        raise ConfigurationError(
            "Buy goods needs both numbers in the M-Pesa settings: the till number, and the store "
            "or head-office number as short code.",
            code="till_incomplete",
        )
    return till


def password_for(short_code: str, passkey: str, timestamp: str) -> str:
    """base64(short code + passkey + timestamp). Reversible: never leaves the request."""
    return base64.b64encode(f"{short_code}{passkey}{timestamp}".encode()).decode()


def stk_push_body(
    push: StkPush, *, passkey: str, callback_url: str, now: datetime
) -> dict[str, Any]:
    """The JSON body of an STK push. One clock reading serves Password and Timestamp."""
    timestamp = timestamp_at(now)
    return {
        "BusinessShortCode": push.short_code,
        "Password": password_for(push.short_code, passkey, timestamp),
        "Timestamp": timestamp,
        "TransactionType": push.transaction_type,
        "Amount": push.amount,
        "PartyA": push.phone,
        "PartyB": push.party_b,
        "PhoneNumber": push.phone,
        "CallBackURL": callback_url,
        "AccountReference": push.account_reference,
        "TransactionDesc": push.description,
    }


def stk_query_body(
    *, short_code: str, passkey: str, checkout_id: str, now: datetime
) -> dict[str, Any]:
    """The JSON body of an STK query."""
    timestamp = timestamp_at(now)
    return {
        "BusinessShortCode": short_code,
        "Password": password_for(short_code, passkey, timestamp),
        "Timestamp": timestamp,
        "CheckoutRequestID": checkout_id,
    }
