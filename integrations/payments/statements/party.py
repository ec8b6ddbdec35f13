"""Whether the other party that a line names has a payment's phone."""

from __future__ import annotations

import re

from integrations.providers.mpesa.callbacks import msisdn_matches

_NUMBER = re.compile(r"\+?[\d*][\d* ]{6,20}[\d*]|[0-9a-fA-F]{64}")


def number_in(party: str) -> str:
    """The number, mask or digest at the beginning of `2547… - NAME`; "" where there is none."""
    found = _NUMBER.search(party.split(" - ", 1)[0])
    return found.group(0).strip() if found else ""


def fits_phone(party: str, phone: str) -> bool | None:
    """Whether the number that `party` begins with may be `phone`; None where it can't be said."""
    number = number_in(party)
    return msisdn_matches(number, phone) if number and phone else None
