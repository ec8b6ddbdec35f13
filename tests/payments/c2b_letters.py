"""C2B callbacks written by hand, as M-Pesa (or somebody else) would post them; section 8."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import requests

from integrations.models import C2BRegistration
from integrations.payments.opening import digest_of

PHONE = "254712345678"
MASKED = "2547 ***** 678"
HASHED = hashlib.sha256(PHONE.encode()).hexdigest()
RECEIPT = "UAE4X7K2QP"


@dataclass(frozen=True)
class Addresses:
    """The two addresses of a registration that M-Pesa was given."""

    confirmation: str
    validation: str
    registration: C2BRegistration


def registered(base_url: str, **changes: Any) -> Addresses:
    """A registration with addresses that are known; changes: columns, and `number`."""
    number = changes.pop("number", 1)
    tokens = f"{number:02}c" + "a" * 29, f"{number:02}d" + "b" * 29
    registration = C2BRegistration.objects.create(
        **{
            "environment": "sandbox",
            "short_code": "174379",
            "version": "v2",
            "response_type": "Completed",
            "state": "registered",
            "confirmation_digest": digest_of(tokens[0]),
            "validation_digest": digest_of(tokens[1]),
            **changes,
        }
    )
    base = f"{base_url}/api/v1/integrations/cb"
    return Addresses(
        f"{base}/c2b-confirmation/{tokens[0]}/", f"{base}/c2b-validation/{tokens[1]}/", registration
    )


def nairobi_now() -> str:
    return datetime.now(ZoneInfo("Africa/Nairobi")).strftime("%Y%m%d%H%M%S")


def letter(**changes: Any) -> dict[str, Any]:
    """A transaction as both callbacks tell it."""
    return {
        "TransactionType": "Pay Bill",
        "TransID": RECEIPT,
        "TransTime": nairobi_now(),
        "TransAmount": "1000.00",
        "BusinessShortCode": "174379",
        "BillRefNumber": "INV001",
        "InvoiceNumber": "",
        "OrgAccountBalance": "4250.00",
        "ThirdPartyTransID": "",
        "MSISDN": MASKED,
        "FirstName": "JANE",
        "MiddleName": "",
        "LastName": "",
        **changes,
    }


def post_c2b(url: str, told: dict[str, Any], **headers: str) -> requests.Response:
    """Post a letter over real HTTP."""
    return requests.post(url, json=told, headers=headers, timeout=10)


def confirm(addresses: Addresses, **changes: Any) -> requests.Response:
    """A confirmation arrives."""
    return post_c2b(addresses.confirmation, letter(**changes))
