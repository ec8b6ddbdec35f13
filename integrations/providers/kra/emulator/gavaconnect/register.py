"""What KRA knows: taxpayers, certificates, invoices; and what was filed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

STATUSES = ("Active", "Suspended", "Cancelled", "Stopped")  # section 11 [2]


@dataclass(slots=True)
class Taxpayer:
    """One PIN. `ids` are "KE:12345678": the type and number by which it is found."""

    pin: str
    name: str
    kind: str = "Individual"
    status: str = "Active"
    ids: list[str] = field(default_factory=list)
    station: str = "Nairobi South"
    obligations: list[dict[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Certificate:
    """A tax compliance certificate; days are ISO."""

    number: str
    pin: str
    status: str = "Valid"
    issued: str = ""
    expires: str = ""


@dataclass(slots=True)
class Settings:
    """The switches; each is a fact that the reference leaves open."""

    is_masked: bool = False  # section 11 [1]: names and PINs may come masked
    is_spaced: bool = True  # section 11 [3+]: portal samples carry stray spaces
    is_number_delayed: bool = False  # a TCC application that is only acknowledged
    error_status: int = 400  # section 11 [3+]: shape (b) comes with any HTTP status
    is_camel_case: bool = False  # shape (b), spelt errorCode and so on
    prn_extra: int = 0  # KES by which a PRN of withheld tax is over more than was handed in


def _vat(code: str, name: str) -> dict[str, str]:
    return {"obligationId": code, "obligationName": name, "obligationType": "Tax"}


@dataclass(slots=True)
class Register:
    """The whole state; `apply` is the only way to change it, so that a journal can repeat it."""

    taxpayers: dict[str, Taxpayer] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    filings: list[dict[str, Any]] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        vat, income = _vat("5", "Value Added Tax"), _vat("1", "Income Tax - Individual")
        # Section 11.1: public sandbox PINs of the portal's text [2]; the last is the emulator's.
        for each in (
            Taxpayer("A744610021G", "JANE WANJIKU", ids=["KE:12345678"], obligations=[income]),
            Taxpayer("A521040203F", "PETER OTIENO", ids=["KE:23456789"], obligations=[income]),
            Taxpayer(
                "P318295670X", "MAJI MAZURI LIMITED", "Non Individual", ids=["COMP:CPR20151234"],
                obligations=[vat, _vat("4", "Income Tax - Company")],
            ),
            Taxpayer(
                "P051234567X", "BIASHARA TRADERS LIMITED", "Non Individual",
                ids=["COMP:CPR20201234"], obligations=[vat],
            ),
        ):  # fmt: skip
            self.taxpayers[each.pin] = each

    def apply(self, entry: Mapping[str, Any]) -> None:
        """Carry out one entry, new or replayed."""
        kind, told = entry["kind"], dict(entry["values"])
        if kind == "taxpayer":
            known = self.taxpayers.setdefault(told["pin"], Taxpayer(told["pin"], "TRADER"))
            _set(known, told)
        elif kind == "certificate":
            known_one = self.certificates.setdefault(
                told["number"], Certificate(told["number"], told["pin"])
            )
            _set(known_one, told)
        elif kind == "record":
            self.records.setdefault(told["list"], {})[told["key"]] = told["answer"]
        elif kind == "settings":
            _set(self.settings, told)
        else:
            self.filings.append({"operation": kind, **told})

    def as_dict(self) -> dict[str, Any]:
        """The book."""
        return {
            "taxpayers": [asdict(each) for each in self.taxpayers.values()],
            "certificates": [asdict(each) for each in self.certificates.values()],
            "filings": list(self.filings),
            "settings": asdict(self.settings),
        }


def _set(thing: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(thing, name, value)
