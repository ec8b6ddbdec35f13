"""Further questions to GavaConnect, as data: what is typed, and which product answers.

Source: eTIMS reference, section 11. Where it tells nothing about the answer, the answer is
handed on as it came, texts stripped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.kra.checks.inputs import read_day, read_pin, read_text, refuse_others
from integrations.providers.kra.client.gavaconnect import GavaClient

Read = Callable[[object, str], Any]


def _number(value: object, field: str) -> str:
    return read_text(value, field, 100)


def _day(value: object, field: str) -> str:
    return read_day(value, field).isoformat()


@dataclass(frozen=True, slots=True)
class LookUp:
    """A question. `fields` maps what callers type to (our client's name of it, its reader)."""

    title: str
    operation: str
    fields: Mapping[str, tuple[str, Read]]


_PIN: Mapping[str, tuple[str, Read]] = {"kra_pin": ("pin", read_pin)}
_BY_NUMBER: Mapping[str, tuple[str, Read]] = {"number": ("number", _number)}

# Some products have one door for PINs and another for numbers.
LOOK_UPS: Mapping[str, tuple[LookUp, ...]] = {
    "obligations": (LookUp("Tax obligations", "obligations", _PIN),),
    "liabilities": (LookUp("Tax liabilities", "liabilities", _PIN),),
    "station": (LookUp("KRA station", "station", _PIN),),
    "invoice": (
        LookUp(
            "Invoice of a supplier",
            "invoice_checker",
            {"number": ("number", _number), "date": ("date", _day)},
        ),
    ),
    "prn": (LookUp("Payment registration number", "prn_search", _BY_NUMBER),),
    "eslip": (LookUp("Electronic payment slip", "eslip", _BY_NUMBER),),
    "income-tax-exemption": (LookUp("Income-tax exemption", "income_tax_exemption", _PIN),),
    "vat-exemption": (LookUp("VAT exemption", "vat_exemption", _BY_NUMBER),),
    "import-certificate": (
        LookUp("Import certificate of a PIN", "import_certificate", _PIN),
        LookUp("Import certificate", "import_certificate_number", _BY_NUMBER),
    ),
    "excise-licence": (
        LookUp("Excise licence of a PIN", "excise_licence", _PIN),
        LookUp("Excise licence", "excise_licence_number", _BY_NUMBER),
    ),
    "customs-declaration": (LookUp("Customs declaration", "customs_declaration", _BY_NUMBER),),
}


def look_up(config: Snapshot, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Ask one of LOOK_UPS: `{check, code, message, answer}`.

    Raises InvalidInput naming the field, Unsupported where KRA does not tell how to ask, and
    what `GavaClient.ask` raises: also where KRA knows nothing of the kind.
    """
    if name not in LOOK_UPS:
        raise InvalidInput("check", f"must be one of {', '.join(sorted(LOOK_UPS))}.")
    values = {key: value for key, value in given.items() if value not in (None, "")}
    wanted = _choose(LOOK_UPS[name], values)
    asked = {}
    for field, (key, read) in wanted.fields.items():
        if field not in values:
            raise InvalidInput(field, f"is needed for “{wanted.title}”.")
        asked[key] = read(values[field], field)
    answer = GavaClient(config).ask(wanted.operation, asked)
    return {"check": name, "code": answer.code, "message": answer.text, "answer": answer.data}


def _choose(variants: tuple[LookUp, ...], values: Mapping[str, Any]) -> LookUp:
    """The variant whose fields were given; raises InvalidInput for fields of none, or of two."""
    refuse_others(values, {field for variant in variants for field in variant.fields})
    fitting = [each for each in variants if set(each.fields) & set(values)]
    if len(fitting) > 1:
        raise InvalidInput("number", "give either this or kra_pin, not both.")
    return fitting[0] if fitting else variants[0]
