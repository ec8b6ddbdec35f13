"""Phone numbers: any Kenyan spelling in, E.164 inside, provider wire forms out."""

from __future__ import annotations

import re

import phonenumbers

from integrations.exceptions import InvalidInput

DEFAULT_REGION = "KE"
# What people put between digits; anything else in a number is an error, not noise.
_SEPARATORS = re.compile(r"[\s\-().\u00a0]+")
_DIGITS = re.compile(r"\+?[0-9]{9,15}")
_KENYAN_MOBILE = re.compile(r"[71][0-9]{8}")
_KENYAN_FORMS = re.compile(r"(?:\+?254|0)?([71][0-9]{8})")


def parse_phone(value: object, field: str = "phone") -> str:
    """E.164 text such as "+254712345678"; raises InvalidInput naming the field.

    Kenyan mobiles are accepted as 07…, 01…, 7…, 1…, 254… and +254… with common separators;
    any other country only in full international form. Prefix lists are not consulted: ranges
    grow and numbers are portable.
    """
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise InvalidInput(field, "must be text such as 0712345678.", code="invalid_phone")
    written = str(value).strip()
    # A minus in front is a negative number, not a separator.
    text = "" if written.startswith("-") else _SEPARATORS.sub("", written)
    kenyan = _KENYAN_FORMS.fullmatch(text) if text.isascii() else None
    if kenyan:
        return f"+254{kenyan.group(1)}"
    if text.isascii() and _DIGITS.fullmatch(text) and text.startswith("+"):
        try:
            number = phonenumbers.parse(text, DEFAULT_REGION)
        except phonenumbers.NumberParseException:
            number = None
        if number is not None and phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    raise InvalidInput(
        field,
        "is not a phone number; use a form such as 0712345678 or +254712345678.",
        code="invalid_phone",
    )


def kenyan_msisdn(value: object, field: str = "phone") -> str:
    """The 12-digit form "254712345678" that M-Pesa takes (Daraja reference, section 1).

    Raises InvalidInput for anything but a Kenyan mobile number.
    """
    number = parse_phone(value, field)
    national = number.removeprefix("+254")
    if national == number or not _KENYAN_MOBILE.fullmatch(national):
        raise InvalidInput(field, "is not a Kenyan mobile number.", code="invalid_phone")
    return f"254{national}"


def mask_phone(number: str) -> str:
    """The number with its middle hidden, for logs and messages: 2547***678."""
    digits = number.removeprefix("+")
    return f"{digits[:4]}***{digits[-3:]}" if len(digits) >= 9 else "***"
