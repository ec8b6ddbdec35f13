"""Money out: payouts to phones (B2C) and reversals.

Source: Daraja reference, sections 9 and 13.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.phone import kenyan_msisdn
from integrations.providers.mpesa.payloads.common import (
    IdentifierType,
    check_occasion,
    check_range,
    check_receipt,
    check_remarks,
    whole_kes,
)
from integrations.providers.mpesa.payloads.initiator import initiator_name, security_credential

B2C_VERSIONS = ("v1", "v3")


class PayoutCommand(StrEnum):
    """What a payout is for (section 9): it decides about charges and the payee's message."""

    BUSINESS = "BusinessPayment"
    SALARY = "SalaryPayment"
    PROMOTION = "PromotionPayment"


def new_originator_id() -> str:
    """A new OriginatorConversationID: M-Pesa pays one id once, so store it before sending."""
    return f"bengo-{uuid.uuid4().hex}"


@dataclass(frozen=True, slots=True)
class Payout:
    """A checked request to pay one phone. `amount` is whole KES, `phone` is 2547…/2541…

    `originator_id` is M-Pesa's idempotency key with v3; v1 does not carry it.
    """

    phone: str
    amount: int
    command: str
    remarks: str
    short_code: str
    occasion: str = ""
    originator_id: str = field(default_factory=new_originator_id)


@dataclass(frozen=True, slots=True)
class Reversal:
    """A checked request to give the money of one receipt back. `amount` is whole KES."""

    receipt: str
    amount: int
    remarks: str
    short_code: str
    occasion: str = ""


def check_payout(
    config: Snapshot,
    *,
    phone: object,
    amount: object,
    command: object = PayoutCommand.BUSINESS.value,
    remarks: object,
    occasion: object = "",
) -> Payout:
    """The caller's values checked against M-Pesa's rules and this row's limits.

    Raises InvalidInput naming the field.
    """
    minimum, maximum = config.values["payout_minimum"], config.values["payout_maximum"]
    return Payout(
        phone=kenyan_msisdn(phone),
        amount=check_range(whole_kes(amount), minimum, maximum),
        command=_check_command(command),
        remarks=check_remarks(remarks),
        occasion=check_occasion(occasion),
        short_code=str(config.values["short_code"]),
    )


def _check_command(value: object) -> str:
    known = [command.value for command in PayoutCommand]
    if str(value) not in known:
        raise InvalidInput("command", f"must be one of {', '.join(known)}.", code="invalid_command")
    return str(value)


def check_reversal(
    config: Snapshot, *, receipt: object, amount: object, remarks: object, occasion: object = ""
) -> Reversal:
    """The caller's values checked against M-Pesa's rules; raises InvalidInput naming the field.

    No limits of the row: money that came in may go back, however the limits changed.
    """
    return Reversal(
        receipt=check_receipt(receipt),
        amount=whole_kes(amount),
        remarks=check_remarks(remarks),
        occasion=check_occasion(occasion),
        short_code=str(config.values["short_code"]),
    )


def b2c_body(
    config: Snapshot, payout: Payout, *, result_url: str, timeout_url: str
) -> dict[str, Any]:
    """The JSON body of a payout in the row's version.

    The initiator's field and the occasion's are spelt differently here than in the other
    products. Raises ConfigurationError for an initiator without name or credential.
    """
    own_id = {"OriginatorConversationID": payout.originator_id}
    return {
        **(own_id if b2c_version(config) == "v3" else {}),
        "InitiatorName": initiator_name(config),
        "SecurityCredential": security_credential(config),
        "CommandID": payout.command,
        "Amount": payout.amount,
        "PartyA": payout.short_code,
        "PartyB": payout.phone,
        "Remarks": payout.remarks,
        "QueueTimeOutURL": timeout_url,
        "ResultURL": result_url,
        "Occassion": payout.occasion,
    }


def b2c_version(config: Snapshot) -> str:
    """The version of the payout product that the row names: "v1" or "v3"."""
    version = str(config.values["b2c_version"])
    return version if version in B2C_VERSIONS else "v3"


def reversal_body(
    config: Snapshot, reversal: Reversal, *, result_url: str, timeout_url: str
) -> dict[str, Any]:
    """The JSON body of a reversal, with the wire's own spelling of the receiver's type."""
    return {
        "Initiator": initiator_name(config),
        "SecurityCredential": security_credential(config),
        "CommandID": "TransactionReversal",
        "TransactionID": reversal.receipt,
        "Amount": reversal.amount,
        "ReceiverParty": reversal.short_code,
        "RecieverIdentifierType": IdentifierType.REVERSAL.value,
        "ResultURL": result_url,
        "QueueTimeOutURL": timeout_url,
        "Remarks": reversal.remarks,
        "Occasion": reversal.occasion,
    }
