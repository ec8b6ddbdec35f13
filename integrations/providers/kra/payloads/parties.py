"""Customers, users and insurances of a branch (reference, section 5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.config import Snapshot
from integrations.providers.kra.payloads.values import flag, number, optional, registrar


def customer_body(document: Mapping[str, Any], config: Snapshot) -> dict[str, Any]:
    """The body of `saveBhfCustomer`."""
    return {
        "custNo": document["number"],
        "custTin": document["pin"],
        "custNm": document["name"],
        "adrs": optional(document, "address"),
        "telNo": optional(document, "phone"),
        "email": optional(document, "email"),
        "faxNo": optional(document, "fax"),
        "useYn": flag(document["is_used"]),
        "remark": optional(document, "remark"),
        **registrar(config),
    }


def user_body(document: Mapping[str, Any], config: Snapshot, *, password: str) -> dict[str, Any]:
    """The body of `saveBhfUser`. It holds the password: send it, never store it."""
    return {
        "userId": document["user_id"],
        "userNm": document["name"],
        "pwd": password,
        "adrs": optional(document, "address"),
        "cntc": optional(document, "contact"),
        "authCd": optional(document, "authority"),
        "remark": optional(document, "remark"),
        "useYn": flag(document["is_used"]),
        **registrar(config),
    }


def insurance_body(document: Mapping[str, Any], config: Snapshot) -> dict[str, Any]:
    """The body of `saveBhfInsurance`."""
    return {
        "isrccCd": document["code"],
        "isrccNm": document["name"],
        "isrcRt": number(document["rate"]),
        "useYn": flag(document["is_used"]),
        **registrar(config),
    }
