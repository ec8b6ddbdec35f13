"""Questions to M-Pesa: transaction status and account balance.

Source: Daraja reference, sections 11 and 12.
"""

from __future__ import annotations

from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.providers.mpesa.payloads.common import (
    IdentifierType,
    check_receipt,
    party_type,
)
from integrations.providers.mpesa.payloads.initiator import initiator_name, security_credential

STATUS_REMARKS = "Status of a transaction"
BALANCE_REMARKS = "Balance of the accounts"


def status_body(
    config: Snapshot,
    *,
    receipt: str = "",
    originator_id: str = "",
    short_code: str = "",
    result_url: str,
    timeout_url: str,
) -> dict[str, Any]:
    """The JSON body of a status query, by receipt or by OriginatorConversationID.

    A till's own number as `short_code` asks as the till; anything else as a short code. Raises
    InvalidInput unless exactly one of receipt and id is given, ConfigurationError for an
    initiator without name or credential.
    """
    if bool(receipt) == bool(originator_id):
        raise InvalidInput("receipt", "give either a receipt or an originator_id.")
    party = short_code or str(config.values["short_code"])
    return {
        "Initiator": initiator_name(config),
        "SecurityCredential": security_credential(config),
        "CommandID": "TransactionStatusQuery",
        **_asked_by(receipt, originator_id),
        "PartyA": party,
        "IdentifierType": party_type(config, party).value,
        "ResultURL": result_url,
        "QueueTimeOutURL": timeout_url,
        "Remarks": STATUS_REMARKS,
        "Occasion": "",
    }


def _asked_by(receipt: str, originator_id: str) -> dict[str, str]:
    """Sources disagree about the id's name, so it goes by both; unknown fields are ignored."""
    if receipt:
        return {"TransactionID": check_receipt(receipt)}
    return {
        "TransactionID": "",
        "OriginalConversationID": originator_id,
        "OriginatorConversationID": originator_id,
    }


def balance_body(
    config: Snapshot, *, short_code: str = "", result_url: str, timeout_url: str
) -> dict[str, Any]:
    """The JSON body of a balance query.

    Raises ConfigurationError for an initiator without name or credential.
    """
    return {
        "Initiator": initiator_name(config),
        "SecurityCredential": security_credential(config),
        "CommandID": "AccountBalance",
        "PartyA": short_code or str(config.values["short_code"]),
        "IdentifierType": IdentifierType.SHORT_CODE.value,
        "Remarks": BALANCE_REMARKS,
        "QueueTimeOutURL": timeout_url,
        "ResultURL": result_url,
    }
