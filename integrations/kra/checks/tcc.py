"""Is a tax compliance certificate valid? Source: eTIMS reference, section 11."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import ProviderError
from integrations.kra.checks.inputs import read_pin, read_text, today
from integrations.models.kra_rules import PIN
from integrations.providers.kra.client.gavaconnect import (
    GavaClient,
    product_of,
    told,
    told_date,
    told_text,
)
from integrations.providers.kra.codes.gavaconnect import is_answer

NUMBER_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Certificate:
    """What KRA tells of a certificate; `message` says why it is not valid."""

    pin: str
    number: str
    status: str
    issued_on: date | None
    expires_on: date | None
    is_valid: bool
    message: str

    def as_dict(self) -> dict[str, Any]:
        """For answers, dates as text."""
        return {
            "pin": self.pin,
            "number": self.number,
            "status": self.status,
            "issued_on": self.issued_on.isoformat() if self.issued_on else None,
            "expires_on": self.expires_on.isoformat() if self.expires_on else None,
            "valid": self.is_valid,
            "message": self.message,
        }


def check_certificate(config: Snapshot, kra_pin: object, number: object) -> Certificate:
    """How a certificate stands. One that KRA refuses is an answer, not an error.

    Raises InvalidInput, and what `GavaClient.ask` raises about keys, tokens and the way there.
    """
    pin = read_pin(kra_pin)
    wanted = read_text(number, "certificate_number", NUMBER_LENGTH)
    try:
        answer = GavaClient(config).ask("tcc_check", {"pin": pin, "number": wanted})
    except ProviderError as error:
        if not is_answer(error.code, permanent=error.permanent):
            raise
        return Certificate(pin, wanted, "", None, None, False, error.message)
    found = told(answer.data, "TCCData")
    return _read(config, pin, wanted, found if isinstance(found, dict) else {})


def _read(config: Snapshot, pin: str, wanted: str, data: dict[str, Any]) -> Certificate:
    status = told_text(data, "TCCStatus", limit=40)
    expires = told_date(data, "TCCExpiryDate")
    fault = _fault(config, pin, wanted, data, expires)
    return Certificate(
        pin=pin,
        number=wanted,
        status=status,
        issued_on=told_date(data, "TCCIssueDate"),
        expires_on=expires,
        is_valid=not fault,
        message=fault or f"The certificate is valid until {expires:%d %b %Y}.",
    )


def _fault(
    config: Snapshot, pin: str, wanted: str, data: dict[str, Any], expires: date | None
) -> str:
    """Why it is not valid, "" where it is. What KRA does not tell, it does not vouch for."""
    status = told_text(data, "TCCStatus", limit=40)
    owner, number = told_text(data, "KRAPIN").upper(), told_text(data, "TCCNumber")
    # A masked PIN tells nothing.
    if PIN.fullmatch(owner) and owner != pin:
        return "The certificate belongs to another PIN."
    if number and "*" not in number and number.upper() != wanted.upper():
        return "KRA answered about another certificate."
    if status.lower() not in product_of(config, "tcc_check").good:
        return f"The certificate is not valid: {status or 'KRA told no status'}."
    if expires is None:
        return "KRA told no day on which the certificate expires."
    if expires < today():
        return f"The certificate expired on {expires:%d %b %Y}."
    return ""
