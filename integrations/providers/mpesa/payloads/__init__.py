"""Our values to Daraja's fields and back: pure, no network, no clock of its own."""

from __future__ import annotations

from integrations.providers.mpesa.payloads.c2b import (
    C2BCommand,
    c2b_version,
    register_body,
    simulate_body,
)
from integrations.providers.mpesa.payloads.common import (
    NAIROBI,
    IdentifierType,
    check_occasion,
    check_receipt,
    check_remarks,
    clean_text,
    party_type,
    timestamp_at,
)
from integrations.providers.mpesa.payloads.initiator import initiator_name, security_credential
from integrations.providers.mpesa.payloads.payout import (
    Payout,
    PayoutCommand,
    Reversal,
    b2c_body,
    b2c_version,
    check_payout,
    check_reversal,
    new_originator_id,
    reversal_body,
)
from integrations.providers.mpesa.payloads.pull import PAGE_SIZE, pull_body, pull_register_body
from integrations.providers.mpesa.payloads.questions import balance_body, status_body
from integrations.providers.mpesa.payloads.stk import (
    DESCRIPTION_LENGTH,
    REFERENCE_LENGTH,
    StkPush,
    check_stk_push,
    password_for,
    stk_push_body,
    stk_query_body,
)

__all__ = [
    "DESCRIPTION_LENGTH",
    "NAIROBI",
    "PAGE_SIZE",
    "REFERENCE_LENGTH",
    "C2BCommand",
    "IdentifierType",
    "Payout",
    "PayoutCommand",
    "Reversal",
    "StkPush",
    "b2c_body",
    "b2c_version",
    "balance_body",
    "c2b_version",
    "check_occasion",
    "check_payout",
    "check_receipt",
    "check_remarks",
    "check_reversal",
    "check_stk_push",
    "clean_text",
    "initiator_name",
    "new_originator_id",
    "party_type",
    "password_for",
    "pull_body",
    "pull_register_body",
    "register_body",
    "reversal_body",
    "security_credential",
    "simulate_body",
    "status_body",
    "stk_push_body",
    "stk_query_body",
    "timestamp_at",
]
