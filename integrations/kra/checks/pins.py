"""Who has a PIN, and how it stands. Source: eTIMS reference, section 11."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput, ProviderError
from integrations.kra.checks.inputs import read_choice, read_pin, read_text
from integrations.providers.kra.client.gavaconnect import GavaClient, product_of, told, told_text

# Kinds of a taxpayer [2].
TAXPAYER_TYPES = {
    "KE": "Kenyan resident",
    "NKE": "Non-Kenyan resident",
    "NKENR": "Non-Kenyan non-resident",
    "COMP": "Company",
}
UNKNOWN_PIN = "19005"


@dataclass(frozen=True, slots=True)
class Taxpayer:
    """What KRA tells of a PIN. Names and PINs may come masked [1]."""

    pin: str
    name: str
    kind: str
    status: str
    is_known: bool
    is_active: bool
    message: str

    def as_dict(self) -> dict[str, Any]:
        """For answers."""
        return asdict(self)


def check_pin_online(config: Snapshot, kra_pin: object) -> Taxpayer:
    """How a PIN stands at KRA. A PIN that KRA does not know is an answer, not an error.

    Raises InvalidInput for what is no PIN, and what `GavaClient.ask` raises.
    """
    pin = read_pin(kra_pin)
    try:
        answer = GavaClient(config).ask("pin_by_pin", {"pin": pin})
    except ProviderError as error:
        if error.code != UNKNOWN_PIN:
            raise
        return Taxpayer(pin, "", "", "", False, False, error.message)
    found = told(answer.data, "PINDATA")
    data = found if isinstance(found, dict) else {}
    status = told_text(data, "StatusOfPIN", limit=40)
    is_active = status.lower() in product_of(config, "pin_by_pin").good
    if not status:
        text = "KRA told no status of this PIN."
    else:
        text = "The PIN is active." if is_active else f"The PIN is not active: {status}."
    return Taxpayer(
        pin=pin,
        name=told_text(data, "Name"),
        kind=told_text(data, "TypeOfTaxpayer", limit=40),
        status=status,
        is_known=True,
        is_active=is_active,
        message=text,
    )


def find_pin(config: Snapshot, taxpayer_id: object, taxpayer_type: object = "KE") -> dict[str, Any]:
    """The PIN of an identity card, passport or company: `{pin, name}`, perhaps masked.

    Raises InvalidInput, and what `GavaClient.ask` raises.
    """
    kind = read_choice(str(taxpayer_type or "").upper(), "taxpayer_type", TAXPAYER_TYPES)
    number = read_text(taxpayer_id, "taxpayer_id", 40)
    if not number.replace("-", "").replace("/", "").isalnum():
        raise InvalidInput("taxpayer_id", "must hold letters and digits only.")
    answer = GavaClient(config).ask("pin_by_id", {"taxpayer_type": kind, "taxpayer_id": number})
    return {
        "pin": told_text(answer.data, "TaxpayerPIN", limit=20),
        "name": told_text(answer.data, "TaxpayerName"),
        "taxpayer_type": kind,
        "message": answer.text,
    }
