"""The desk: which path is which product, the token, and what was asked."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from integrations.providers.emulation import Answer, Request
from integrations.providers.kra.emulator.gavaconnect import checkers, control, filing_desk
from integrations.providers.kra.emulator.gavaconnect.answers import Refused, error, nok, spaced
from integrations.providers.kra.emulator.gavaconnect.register import Register

_NAIROBI = ZoneInfo("Africa/Nairobi")
Check = Callable[[Register, dict[str, Any], date], dict[str, Any]]
Write = Callable[[Register, dict[str, Any], date], tuple[dict[str, Any], dict[str, Any]]]

# Path: operation, the product of its credentials, who answers. Section 11.
_CHECKS: dict[str, tuple[str, str, Check]] = {
    "/checker/v1/pinbypin": ("pin_by_pin", "pin_by_pin", checkers.pin_by_pin),
    "/checker/v1/pin": ("pin_by_id", "pin_by_id", checkers.pin_by_id),
    "/v1/kra-tcc/validate": ("tcc_check", "tcc_check", checkers.tcc_check),
    "/dtd/checker/v1/obligation": ("obligations", "obligations", checkers.obligations),
    "/dtd/checker/v1/station": ("station", "station", checkers.station),
    "/checker/v1/invoice": ("invoice_checker", "invoice_checker", checkers.invoice),
    "/dtd/checker/v1/prn": ("prn_search", "prn_search", checkers.prn),
    "/payment/checker/v1/eslip": ("eslip", "eslip", checkers.eslip),
    "/checker/v1/itexemption": (
        "income_tax_exemption", "income_tax_exemption", checkers.itexemption,
    ),
    "/dtd/checker/v1/vatexemption": ("vat_exemption", "vat_exemption", checkers.vatexemption),
    "/cbc/checker/v1/importcertificate/pin": (
        "import_certificate", "import_certificate", checkers.import_pin,
    ),
    "/cbc/checker/v1/importcertificate/num": (
        "import_certificate_number", "import_certificate", checkers.import_number,
    ),
    "/checker/v1/ExciseLicenseByPin": ("excise_licence", "excise_licence", checkers.excise_pin),
    "/checker/v1/ExciseLicenseByNum": (
        "excise_licence_number", "excise_licence", checkers.excise_number,
    ),
    "/checker/v1/simple/declaration": (
        "customs_declaration", "customs_declaration", checkers.declaration,
    ),
}  # fmt: skip
_WRITES: dict[str, tuple[str, str, Write]] = {
    "/application/v1/tcc": ("tcc_application", "tcc_application", filing_desk.tcc_application),
    "/dtd/return/v1/nil": ("nil_return", "nil_return", filing_desk.nil_return),
    "/filing/v1/tot/paymentregistration": (
        "turnover_tax", "turnover_tax", filing_desk.turnover_tax,
    ),
    "/generate/v1/prn/whtvat": (
        "withholding_vat", "withholding", filing_desk.withholding("WHTVAT"),
    ),
    "/generate/v1/prn/whtit": (
        "withholding_income", "withholding", filing_desk.withholding("WHTIT"),
    ),
    "/generate/v1/prn/whtrental": (
        "withholding_rental", "withholding", filing_desk.withholding("WHTRENT"),
    ),
    "/v1/generate/pin": ("pin_registration", "pin_registration", filing_desk.pin_registration),
}  # fmt: skip


class Office(Protocol):
    """The token office, as far as the desk needs it."""

    def admit(self, request: Request, product: str, now: datetime) -> Any:
        """The app whose token the request carries, or the Answer that refuses it."""


class GavaDesk:
    """GavaConnect as far as the reference's section 11 goes."""

    def __init__(self, office: Office, record: Callable[[Mapping[str, Any]], None]) -> None:
        self._office, self._record = office, record
        self._lock = threading.RLock()
        self.register = Register()
        self.asked: Counter[str] = Counter()
        self.planned: list[control.Planned] = []

    def operation(self, path: str) -> str | None:
        """The name of the product under this path; None where there is none."""
        found = _CHECKS.get(path) or _WRITES.get(path)
        return found[0] if found else None

    def handle(self, request: Request, now: datetime) -> Answer:
        """Answer one request, token included."""
        with self._lock:
            operation, product, _ = _CHECKS.get(request.path) or _WRITES[request.path]
            admitted = self._office.admit(request, product, now)
            if isinstance(admitted, Answer):
                return admitted
            self.asked[operation] += 1
            planned = control.take(self.planned, operation)
            if planned is not None:
                return planned
            if request.method != "POST":
                return error(self.register.settings, "405", "Method Not Allowed", 405)
            return self._serve(request, now)

    def control(self, action: str, payload: Mapping[str, Any]) -> dict[str, Any] | None:
        """Carry out a control action; None where it has none of this name; raises Rejected."""
        act = control.ACTIONS.get(action)
        if act is None:
            return None
        with self._lock:
            return act(self, payload)

    def book(self) -> dict[str, Any]:
        """What was asked and filed, and what KRA knows."""
        with self._lock:
            return {"asked": dict(self.asked), **self.register.as_dict()}

    def replay(self, entry: Mapping[str, Any]) -> None:
        """Take over one journal line of an earlier run."""
        with self._lock:
            self.register.apply(entry)

    def write(self, kind: str, values: Mapping[str, Any]) -> None:
        """Change the state, written down first."""
        entry = {"kind": kind, "values": dict(values)}
        self._record(entry)
        self.register.apply(entry)

    def _serve(self, request: Request, now: datetime) -> Answer:
        settings = self.register.settings
        today = now.astimezone(_NAIROBI).date()
        try:
            body = _read(request.body)
            if request.path in _CHECKS:
                return spaced(settings, _CHECKS[request.path][2](self.register, body, today))
            operation, _, file = _WRITES[request.path]
            entry, answer = file(self.register, body, today)
        except Refused as fault:
            shape = nok if fault.is_nok else error
            return shape(settings, fault.code, fault.text)
        for kind in ("certificate", "taxpayer"):
            if kind in entry:
                self.write(kind, entry.pop(kind))
        self.write(operation, {"at": now.isoformat(), **entry})
        return spaced(settings, answer)


def _read(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw, parse_float=Decimal)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused("90000", "Invalid request body")  # [guess]: the code
    return body
