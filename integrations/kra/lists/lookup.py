"""Checks of input against the lists that KRA gave, naming the field."""

from __future__ import annotations

from integrations.exceptions import InvalidInput
from integrations.models import KRACode, KRAItemClass
from integrations.providers.kra.codes import classes

_WORDS = {
    classes.TAX_TYPE: "tax type",
    classes.PACKAGING_UNIT: "packaging unit",
    classes.QUANTITY_UNIT: "quantity unit",
    classes.COUNTRY: "country",
    classes.ITEM_TYPE: "product type",
    classes.PAYMENT: "payment type",
}
UNREAD = "can't be checked, as KRA's code lists were not read yet: call sync_tax_data() first."


def codes_of(environment: str, class_code: str) -> list[KRACode]:
    """The codes in use of one class, in KRA's order."""
    return list(
        KRACode.objects.filter(environment=environment, class_code=class_code, is_used=True)
    )


def known_codes(environment: str, class_code: str) -> frozenset[str]:
    """The codes in use of one class; where it was never read, those that all sources agree on."""
    rows = KRACode.objects.filter(environment=environment, class_code=class_code, is_used=True)
    found = frozenset(rows.values_list("code", flat=True))
    return found or classes.WHOLE.get(class_code, frozenset())


def require_code(environment: str, class_code: str, field: str, value: object) -> str:
    """The value as a code of the class; raises InvalidInput that names the field."""
    text = value.strip().upper() if isinstance(value, str) else ""
    if not text:
        raise InvalidInput(field, "must be a code of KRA's list.", code="unknown_code")
    known = known_codes(environment, class_code)
    if not known:
        raise InvalidInput(field, UNREAD, code="lists_not_read")
    if text not in known:
        words = _WORDS.get(class_code, "code")
        some = ", ".join(sorted(known)[:12])
        more = " …" if len(known) > 12 else ""
        raise InvalidInput(
            field,
            f"{text[:20]!r} is no {words} of KRA's list (class {class_code}): {some}{more}",
            code="unknown_code",
        )
    return text


def require_class(environment: str, field: str, value: object) -> str:
    """The value as an item class; raises InvalidInput that names the field."""
    text = str(value).strip() if isinstance(value, str | int) else ""
    classes_known = KRAItemClass.objects.filter(environment=environment)
    if text and classes_known.filter(code=text, is_used=True).exists():
        return text
    if not classes_known.exists():
        raise InvalidInput(field, UNREAD, code="lists_not_read")
    raise InvalidInput(
        field,
        f"{text[:20]!r} is no item class that KRA lists: search with item_classes().",
        code="unknown_code",
    )
