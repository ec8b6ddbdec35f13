"""Payments that customers start themselves (C2B): their addresses, and trying one out.

Source: Daraja reference, section 8.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from integrations.callback_address import check_callback_words
from integrations.config import Snapshot
from integrations.exceptions import InvalidInput, Unsupported
from integrations.phone import kenyan_msisdn
from integrations.providers.mpesa.payloads.common import whole_kes

BILL_REF_LENGTH = 20
C2B_VERSIONS = ("v1", "v2")
_RESPONSE_TYPES = ("Completed", "Cancelled")


class C2BCommand(StrEnum):
    """How a customer pays."""

    PAYBILL = "CustomerPayBillOnline"
    TILL = "CustomerBuyGoodsOnline"


def c2b_version(config: Snapshot) -> str:
    """The version of the C2B product that the row names: "v1" or "v2"."""
    version = str(config.values["c2b_version"])
    return version if version in C2B_VERSIONS else "v2"


def register_body(
    config: Snapshot, *, confirmation_url: str, validation_url: str
) -> dict[str, Any]:
    """The JSON body that registers both addresses.

    Raises ConfigurationError for an address with a word that M-Pesa forbids, InvalidInput for
    a response type that it does not know.
    """
    for url in (confirmation_url, validation_url):
        check_callback_words(url)
    response_type = str(config.values["c2b_response_type"])
    if response_type not in _RESPONSE_TYPES:
        raise InvalidInput("c2b_response_type", f"must be one of {', '.join(_RESPONSE_TYPES)}.")
    return {
        "ShortCode": str(config.values["short_code"]),
        "ResponseType": response_type,
        "ConfirmationURL": confirmation_url,
        "ValidationURL": validation_url,
    }


def simulate_body(
    config: Snapshot,
    *,
    phone: object,
    amount: object,
    bill_ref: object,
    command: str = C2BCommand.PAYBILL.value,
) -> dict[str, Any]:
    """The JSON body of a customer's payment that never happened: for the sandbox only.

    Raises Unsupported in production, InvalidInput naming the field.
    """
    if config.environment == "production":
        raise Unsupported("A customer's payment can be simulated in the sandbox only.")
    known = [each.value for each in C2BCommand]
    if command not in known:
        raise InvalidInput("command", f"must be one of {', '.join(known)}.", code="invalid_command")
    return {
        "ShortCode": str(config.values["short_code"]),
        "CommandID": command,
        "Amount": whole_kes(amount),
        "Msisdn": kenyan_msisdn(phone),
        "BillRefNumber": _check_bill_ref(bill_ref),
    }


def _check_bill_ref(value: object) -> str:
    if not isinstance(value, str) or len(value) > BILL_REF_LENGTH:
        raise InvalidInput(
            "bill_ref",
            f"must be text of at most {BILL_REF_LENGTH} characters.",
            code="invalid_reference",
        )
    return value
