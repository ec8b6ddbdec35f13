"""The STK callback: its body in every recorded shape (reference, section 6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.providers.emulation import Call, Fault, Rejected
from integrations.providers.mpesa.emulator.book import Prompt
from integrations.providers.mpesa.emulator.identifiers import wire_time

# section 6: Balance may be absent, without Value, a number or a string [3+].
BALANCE_ITEMS: dict[str, list[dict[str, Any]]] = {
    "absent": [],
    "no_value": [{"Name": "Balance"}],
    "number": [{"Name": "Balance", "Value": 4250}],
    "string": [
        {
            "Name": "Balance",
            "Value": "{Amount={CurrencyCode=KES, MinimumAmount=425000, BasicAmount=4250.00}}",
        }
    ],
}
MALFORMED = {
    "not_json": b'{"Body":{"stkCallback":',
    "empty": b"",
    "html": b"<html><body>Service unavailable</body></html>",
    "no_body": b'{"stkCallback":{}}',
    "list": b"[]",
    "no_ids": b'{"Body":{"stkCallback":{"ResultCode":0,"ResultDesc":"ok"}}}',
}
_AMOUNT_FORMS = {"decimal": "{}.00", "one_decimal": "{}.0", "integer": "{}", "string": '"{}.00"'}
_PHONE_FORMS: dict[str, Callable[[str], object]] = {
    "number": int,
    "string": str,
    "masked": lambda phone: f"{phone[:4]} ***** {phone[-3:]}",
}
# json can't write 150.00 as a number; this mark is exchanged for the digits afterwards.
_AMOUNT_MARK = "amount-goes-here"


@dataclass(slots=True)
class Manner:
    """How the callbacks of one prompt depart from the plain single delivery."""

    is_early: bool = False
    is_silent: bool = False
    is_held: bool = False
    is_parallel: bool = False
    copies: int = 1
    late_seconds: float | None = None
    amount: int | None = None
    checkout_request_id: str = ""
    balance: str = "no_value"
    malformed: str = ""
    amount_form: str = "decimal"
    phone_form: str = "number"
    prefix: str = ""


def _early(manner: Manner, _options: Mapping[str, Any]) -> None:
    manner.is_early = True  # section 20 [1]: before the reply to the request that caused it


def _never(manner: Manner, _options: Mapping[str, Any]) -> None:
    manner.is_silent = True


def _duplicate(manner: Manner, options: Mapping[str, Any]) -> None:
    manner.copies = int(options.get("copies", 2))
    manner.is_parallel = bool(options.get("parallel", False))


def _late(manner: Manner, options: Mapping[str, Any]) -> None:
    manner.late_seconds = float(options.get("seconds", 30))


def _wrong_amount(manner: Manner, options: Mapping[str, Any]) -> None:
    manner.amount = int(options.get("amount", 1))


def _unknown_id(manner: Manner, options: Mapping[str, Any]) -> None:
    manner.checkout_request_id = str(options.get("id", "ws_CO_010120260000000000000000"))


def _hold(manner: Manner, _options: Mapping[str, Any]) -> None:
    manner.is_held = True


def _shape(manner: Manner, options: Mapping[str, Any]) -> None:
    manner.balance = str(options.get("balance", manner.balance))
    manner.amount_form = str(options.get("amount", manner.amount_form))
    manner.phone_form = str(options.get("phone_form", manner.phone_form))
    manner.prefix = str(options.get("prefix", manner.prefix))  # section 6 [2]: "[STK_CB - ]"


def _malform(manner: Manner, options: Mapping[str, Any]) -> None:
    manner.malformed = str(options.get("form", "not_json"))


FAULTS: dict[str, Callable[[Manner, Mapping[str, Any]], None]] = {
    "early_callback": _early,
    "no_callback": _never,
    "duplicate_callback": _duplicate,
    "late_success": _late,
    "wrong_amount": _wrong_amount,
    "unknown_checkout_id": _unknown_id,
    "out_of_order": _hold,
    "callback_shape": _shape,
    "malformed_callback": _malform,
}


def choose_manner(take_fault: Callable[[frozenset[str], Call], Fault | None], phone: str) -> Manner:
    """Use up the planned callback faults that match this prompt, one of each kind."""
    manner = Manner()
    for kind, apply in FAULTS.items():
        fault = take_fault(frozenset({kind}), Call("callback", phone))
        if fault is not None:
            apply(manner, fault.options)
    return manner


def check_options(kind: str, options: Mapping[str, Any]) -> None:
    """Refuse options that could not be carried out later; raises Rejected."""
    manner = Manner()
    try:
        FAULTS[kind](manner, options)
    except (TypeError, ValueError):
        raise Rejected(f"{kind}: an option is not a number.") from None
    known = (
        (manner.balance, BALANCE_ITEMS, "balance"),
        (manner.amount_form, _AMOUNT_FORMS, "amount"),
        (manner.phone_form, _PHONE_FORMS, "phone_form"),
        (manner.malformed or "not_json", MALFORMED, "form"),
    )
    for value, allowed, name in known:
        if value not in allowed:
            raise Rejected(f"{name}: one of {', '.join(allowed)}.")
    if not 1 <= manner.copies <= 200:
        raise Rejected("copies: from 1 to 200.")


def callback_headers(prompt: Prompt) -> dict[str, str]:
    """The headers of section 6: JSON with its charset, and the short code [obs]."""
    return {
        "Content-Type": "application/json;charset=UTF-8",
        "Businessshortcode": prompt.shortcode,
    }


def callback_body(prompt: Prompt, manner: Manner) -> bytes:
    """The body of section 6: metadata on success only, a numeric ResultCode where it can be."""
    if manner.malformed:
        return MALFORMED[manner.malformed]
    code = prompt.result_code
    callback: dict[str, Any] = {
        "MerchantRequestID": prompt.merchant_request_id,
        "CheckoutRequestID": manner.checkout_request_id or prompt.checkout_request_id,
        # section 6 [3+]: a number here, except for alphanumeric codes.
        "ResultCode": int(code) if code.isdecimal() else code,
        "ResultDesc": f"{manner.prefix}{prompt.result_description}",
    }
    if code == "0":
        callback["CallbackMetadata"] = {"Item": _items(prompt, manner)}
    amount = prompt.amount if manner.amount is None else manner.amount
    digits = _AMOUNT_FORMS[manner.amount_form].format(amount)
    text = json.dumps({"Body": {"stkCallback": callback}})
    return text.replace(f'"{_AMOUNT_MARK}"', digits).encode()


def _items(prompt: Prompt, manner: Manner) -> list[dict[str, Any]]:
    return [
        {"Name": "Amount", "Value": _AMOUNT_MARK},
        {"Name": "MpesaReceiptNumber", "Value": prompt.receipt},
        *BALANCE_ITEMS[manner.balance],
        {
            "Name": "TransactionDate",
            "Value": int(wire_time(datetime.fromisoformat(prompt.decided))),
        },
        {"Name": "PhoneNumber", "Value": _PHONE_FORMS[manner.phone_form](prompt.phone)},
    ]
