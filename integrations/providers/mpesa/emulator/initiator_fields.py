"""The fields of payouts, reversals, questions, C2B and pull (sections 8, 9, 11-13 and 16).

The wire's spellings are kept: InitiatorName in b2c and Initiator elsewhere, Occassion in b2c and
Occasion elsewhere, RecieverIdentifierType. Optional fields under another spelling are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from integrations.providers.mpesa.emulator.fields import (
    FORBIDDEN_WORDS,
    Check,
    Rules,
    is_callback_url,
    is_msisdn,
    is_present,
    is_shortcode,
    limit,
)
from integrations.providers.mpesa.emulator.money import cents_of


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of one operation, in the order in which they are judged."""

    checks: dict[str, Check]
    optional: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """All field names in order."""
        return tuple(self.checks)


def _one_of(*words: str) -> Check:
    return lambda text, _rules: text in words


def _is_whole(text: str, _rules: Rules) -> bool:
    # Whole shillings; too little or too much is a result (codes 2 and 3), not a bad field.
    return re.fullmatch(r"[0-9]{1,12}", text) is not None and int(text) > 0


def _is_money(text: str, _rules: Rules) -> bool:
    return (cents_of(text) or 0) > 0


def _is_remark(text: str, _rules: Rules) -> bool:
    return 2 <= len(text) <= 100  # sections 9 and 13 [3+]


def _is_occasion(text: str, _rules: Rules) -> bool:
    return len(text) <= 100  # section 9 [3+]


def _is_registered_url(text: str, rules: Rules) -> bool:
    # section 8 [3+]: words that no registered URL may have in it, in any case.
    is_clean = not any(word in text.lower() for word in FORBIDDEN_WORDS)
    return is_clean and is_callback_url(text, rules)


def _is_moment(text: str, _rules: Rules) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - EAT, section 16 [2]
    except ValueError:
        return False
    return True


def _is_offset(text: str, _rules: Rules) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", text) is not None


_URLS: dict[str, Check] = {"QueueTimeOutURL": is_callback_url, "ResultURL": is_callback_url}
_INITIATOR: dict[str, Check] = {"Initiator": is_present, "SecurityCredential": is_present}

B2C_V1 = Form(
    {
        "InitiatorName": is_present,
        "SecurityCredential": is_present,
        "CommandID": _one_of("SalaryPayment", "BusinessPayment", "PromotionPayment"),
        "Amount": _is_whole,
        "PartyA": is_shortcode,
        "PartyB": is_msisdn,
        "Remarks": _is_remark,
        **_URLS,
        "Occassion": _is_occasion,
    },
    optional=frozenset({"Occassion"}),
)
B2C_V3 = Form({"OriginatorConversationID": is_present, **B2C_V1.checks}, B2C_V1.optional)
# section 11: a receipt, or one of two spellings of the conversation id.
STATUS = Form(
    {
        **_INITIATOR,
        "CommandID": _one_of("TransactionStatusQuery"),
        "TransactionID": is_present,
        "OriginalConversationID": is_present,
        "OriginatorConversationID": is_present,
        "PartyA": is_shortcode,
        "IdentifierType": _one_of("1", "2", "4"),
        **_URLS,
        "Remarks": _is_remark,
        "Occasion": _is_occasion,
    },
    optional=frozenset(
        {"TransactionID", "OriginalConversationID", "OriginatorConversationID", "Occasion"}
    ),
)
BALANCE = Form(
    {
        **_INITIATOR,
        "CommandID": _one_of("AccountBalance"),
        "PartyA": is_shortcode,
        "IdentifierType": _one_of("2", "4"),
        "Remarks": _is_remark,
        **_URLS,
    }
)
REVERSAL = Form(
    {
        **_INITIATOR,
        "CommandID": _one_of("TransactionReversal"),
        "TransactionID": is_present,
        "Amount": _is_money,
        "ReceiverParty": is_shortcode,
        "RecieverIdentifierType": _one_of("11", "4"),  # section 13 [3+]
        **_URLS,
        "Remarks": _is_remark,
        "Occasion": _is_occasion,
    },
    optional=frozenset({"Occasion"}),
)
C2B_REGISTER = Form(
    {
        "ShortCode": is_shortcode,
        "ResponseType": _one_of("Completed", "Cancelled"),
        "ConfirmationURL": _is_registered_url,
        "ValidationURL": _is_registered_url,
    }
)
C2B_SIMULATE = Form(
    {
        "ShortCode": is_shortcode,
        "CommandID": _one_of("CustomerPayBillOnline", "CustomerBuyGoodsOnline"),
        "Amount": _is_money,
        "Msisdn": is_msisdn,
        "BillRefNumber": limit(20),
    },
    optional=frozenset({"BillRefNumber"}),
)
PULL_REGISTER = Form(
    {
        "ShortCode": is_shortcode,
        "RequestType": _one_of("Pull"),
        "NominatedNumber": is_msisdn,
        "CallBackURL": is_callback_url,
    }
)
PULL = Form(
    {
        "ShortCode": is_shortcode,
        "StartDate": _is_moment,
        "EndDate": _is_moment,
        "OffSetValue": _is_offset,
    }
)
