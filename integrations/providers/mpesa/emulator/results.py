"""The result envelope of section 18, in its usual shape and in every recorded odd one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.providers.mpesa.emulator.callbacks import MALFORMED
from integrations.providers.mpesa.emulator.identifiers import new_receipt, wire_time
from integrations.providers.mpesa.emulator.orders import BALANCE, PAYOUT, REVERSE, STATUS, Order
from integrations.providers.mpesa.emulator.result_manner import ResultManner
from integrations.providers.mpesa.emulator.wirejson import dump, number

# Where Daraja says that its own queue is; the last part differs by product.
_QUEUES = {
    PAYOUT: "b2cresults",
    REVERSE: "reversalresults",
    STATUS: "transactionstatusresults",
    BALANCE: "abresults",
}
# Which entry stays where ResultParameter is a single object.
_SINGLE = {
    PAYOUT: "TransactionReceipt",
    REVERSE: "OriginalTransactionID",
    STATUS: "ReceiptNo",
    BALANCE: "AccountBalance",
}


@dataclass(frozen=True, slots=True)
class Digits:
    """A value that the wire carries as a number, or as text where the manner wants that."""

    text: str
    is_date: bool = False


Value = str | Digits | None
Parameters = list[tuple[str, Value]]


def result_body(order: Order, parameters: Parameters, manner: ResultManner) -> bytes:
    """The body that goes to the ResultURL."""
    if manner.malformed:
        return MALFORMED[manner.malformed]
    return dump({"Result": _result(order, parameters, manner)})


def timeout_body(order: Order, manner: ResultManner) -> bytes:
    """The body that goes to the QueueTimeOutURL; its shape is hardly known (section 18 [guess])."""
    ids = {
        "OriginatorConversationID": order.originator_id,
        "ConversationID": order.conversation_id,
    }
    if manner.timeout_form == "flat":
        return dump({**ids, "ResultDesc": "The request timed out in the queue."})
    code = 0 if manner.timeout_form == "zero" else 1
    told = {
        "ResultType": 1,
        "ResultCode": code,
        "ResultDesc": "The service request timed out in the queue.",
        **ids,
        "TransactionID": placeholder(order),
        "ReferenceData": {"ReferenceItem": _reference(order)},
    }
    return dump({"Result": told})


def placeholder(order: Order) -> str:
    """What stands for a TransactionID where there is none: the date's letters and zeros."""
    moment = datetime.fromisoformat(order.decided or order.created)
    return f"{new_receipt(moment)[:3]}0000000"


def moment_digits(text: str) -> Digits:
    """An ISO text as 14 digits in EAT (section 18)."""
    return Digits(wire_time(datetime.fromisoformat(text)), is_date=True)


def _result(order: Order, parameters: Parameters, manner: ResultManner) -> dict[str, Any]:
    code = order.result_code
    is_number = code.isdecimal() and manner.option("code") == "number"
    result: dict[str, Any] = {
        "ResultType": 0 if manner.option("result_type") == "number" else "0",
        "ResultCode": number(code) if is_number else code,
        "ResultDesc": f"{manner.prefix}{order.result_description}",
        "OriginatorConversationID": order.originator_id,
        "ConversationID": manner.conversation_id or order.conversation_id,
    }
    if manner.option("transaction_id") != "missing":
        result["TransactionID"] = _transaction_id(order, manner)
    form = manner.option("parameters")
    if form != "missing" and (code == "0" or form != "usual"):
        result["ResultParameters"] = {
            "ResultParameter": [] if form == "empty" else _entries(order, parameters, manner)
        }
    reference = manner.option("reference")
    if reference != "missing":
        item = _reference(order)
        result["ReferenceData"] = {"ReferenceItem": [item] if reference == "list" else item}
    return result


def _transaction_id(order: Order, manner: ResultManner) -> str:
    form = manner.option("transaction_id")
    if form == "empty":
        return ""
    return placeholder(order) if form == "placeholder" or not order.receipt else order.receipt


def _entries(order: Order, parameters: Parameters, manner: ResultManner) -> Any:
    shape = manner.shape or {}
    if manner.option("parameters") == "single":
        kept = shape.get("keep", _SINGLE[order.operation])
        parameters = [pair for pair in parameters if pair[0] == kept] or parameters[:1]
    entries = []
    for key, value in parameters:
        entry = {"Key": _spaced(key) if shape.get("spaced") else key}
        told = _told(value, manner)
        if told is not None and key != shape.get("without_value"):
            entry["Value"] = told
        entries += [entry] * (2 if key == shape.get("repeat") else 1)
    return entries[0] if manner.option("parameters") == "single" and entries else entries


def _told(value: Value, manner: ResultManner) -> str | None:
    if not isinstance(value, Digits):
        return value
    form = manner.option("dates" if value.is_date else "amounts")
    return value.text if form == "string" else number(value.text)


def _spaced(key: str) -> str:
    # section 18: keys may contain spaces ("Conversation ID", section 11).
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key)


def _reference(order: Order) -> dict[str, str]:
    queue = _QUEUES[order.operation]
    address = f"https://internalsandbox.safaricom.co.ke/mpesa/{queue}/v1/submit"
    return {"Key": "QueueTimeoutURL", "Value": address}
