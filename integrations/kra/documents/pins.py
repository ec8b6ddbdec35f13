"""KRA PINs (reference, section 10)."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.exceptions import InvalidInput
from integrations.models.kra_rules import PIN as SHAPE


@dataclass(frozen=True, slots=True)
class PIN:
    """A PIN in capitals. `kind` is "individual", "company" or "" where the letter tells neither.

    `warning` is "" or what is odd about it; there is no known check digit.
    """

    pin: str
    kind: str
    warning: str = ""

    def __str__(self) -> str:
        return self.pin


_KINDS = {"A": "individual", "P": "company"}


def check_pin(text: object, field: str = "kra_pin") -> PIN:
    """A letter, nine digits and a letter; A for individuals, P for companies and others.

    Another first letter is taken with a warning. Raises InvalidInput naming the field.
    """
    pin = text.strip().upper() if isinstance(text, str) else ""
    if not SHAPE.fullmatch(pin):
        raise InvalidInput(
            field,
            "is no KRA PIN: a letter, 9 digits and a letter, such as A123456789B.",
            code="invalid_pin",
        )
    kind = _KINDS.get(pin[0], "")
    if kind:
        return PIN(pin, kind)
    odd = f"{pin} begins with {pin[0]}; PINs begin with A (individuals) or P (companies)."
    return PIN(pin, "", odd)
