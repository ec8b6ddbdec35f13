"""The products with legal effect: applications, returns, payment numbers (sections 11, 11.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.providers.kra.emulator.gavaconnect.answers import Refused
from integrations.providers.kra.emulator.gavaconnect.checkers import known, wanted
from integrations.providers.kra.emulator.gavaconnect.register import Register

Body = dict[str, Any]
# Returns the entry of what was filed; the caller writes it down and applies it.
Filed = tuple[dict[str, Any], Body]
_CENT = Decimal("0.01")


def _details(body: Body) -> Body:
    found = body.get("TAXPAYERDETAILS")
    if not isinstance(found, dict):
        raise Refused("82001", "XML syntax error")  # [1]
    return found


def tcc_application(register: Register, body: Body, today: date) -> Filed:
    """85000 [3+]: an acknowledgement, and a certificate valid for a year."""
    pin, reason = wanted(_details(body), "TaxpayerPIN", "ReasonForTCC")
    taxpayer = known(register, pin, "85001")
    if taxpayer.status != "Active" or len(reason) > 400:
        raise Refused("85002", "Data validation failed")  # [guess]: the codes
    running = len(register.filings) + 1
    number = f"KRAWON{running:010d}"
    entry = {"pin": pin, "reason": reason, "ack": f"KRATCC{running:08d}", "tcc": number}
    answer = {
        "ResponseCode": "85000",
        "Message": "Application received",
        "Status": "OK",
        "AckNumber": entry["ack"],
        "TCCNumber": "" if register.settings.is_number_delayed else number,
    }
    issued = {
        "number": number, "pin": pin, "status": "Valid", "issued": today.isoformat(),
        "expires": date(today.year + 1, today.month, min(today.day, 28)).isoformat(),
    }  # fmt: skip
    return {**entry, "certificate": issued}, {"RESPONSE": answer}


def nil_return(register: Register, body: Body, today: date) -> Filed:
    """82000 [3+]; 82002 for data that does not fit [1], also a return that is there [guess]."""
    pin, code, month, year = wanted(
        _details(body), "TaxpayerPIN", "ObligationCode", "Month", "Year"
    )
    taxpayer = known(register, pin, "82002", is_nok=False)
    period = _period(month, year, today)
    held = {each["obligationId"] for each in taxpayer.obligations}
    if code not in held:
        raise Refused("82002", "Data validation error: obligation")
    about = {"pin": pin, "obligation": code, "period": period}
    if any(about.items() <= filing.items() for filing in register.filings):
        raise Refused("82002", "Data validation error: return already filed")
    ack = f"KRANIL{len(register.filings) + 1:08d}"
    answer = {"ResponseCode": "82000", "Message": "Filed", "Status": "OK", "AckNumber": ack}
    return {**about, "ack": ack}, {"RESPONSE": answer}


def _period(month: str, year: str, today: date) -> str:
    if not (len(month) == 2 and month.isdigit() and len(year) == 4 and year.isdigit()):
        raise Refused("82002", "Data validation error: period")
    if not 1 <= int(month) <= 12 or (int(year), int(month)) > (today.year, today.month):
        raise Refused("82002", "Data validation error: period")
    return f"{year}-{month}"


def turnover_tax(register: Register, body: Body, today: date) -> Filed:
    """[2]: 3 % of the turnover [guess], and a PRN to pay by."""
    details = _details(body)
    pin, month, year = wanted(details, "TaxpayerPIN", "Month", "Year")
    known(register, pin, "82002", is_nok=False)
    period = _period(month, year, today)
    gross = _amount(details.get("GrossTurnover"), "GrossTurnover")
    running = len(register.filings) + 1
    tax = (gross * 3 / 100).quantize(_CENT)
    numbers = {"ack": f"KRATOT{running:08d}", "prn": f"{2000000000 + running}"}
    told = {"ComputedTax": str(tax), "UtilizedCredit": "0.00", "TaxPayable": str(tax)}
    answer = {"Status": "OK", "AckNumber": numbers["ack"], "PRN": numbers["prn"], **told}
    return {"pin": pin, "period": period, **numbers, "answer": told}, {"RESPONSE": answer}


def withholding(obligation: str) -> Callable[[Register, Body, date], Filed]:
    """70000 [3+], after the server's checks of section 11.1."""

    def file(register: Register, body: Body, today: date) -> Filed:
        header, details = body.get("transactionHeader"), body.get("transactionDetails")
        if not isinstance(header, dict) or not isinstance(details, list) or not details:
            raise _wrong("structure")
        if header.get("taxObligation") != obligation:
            raise _wrong("taxObligation")
        known(register, str(header.get("withholderPin")), "70001", is_nok=False)
        unique = str(header.get("transactionUniqueNo") or "")
        taken = {filing.get("unique") for filing in register.filings}
        if not unique or unique in taken:
            raise _wrong("transactionUniqueNo")  # [guess]: a number that was used before
        total = _check_sums(header, details)
        for line in details:
            _check_line(header, line)
        number = f"{2000000000 + len(register.filings) + 1}"
        amount = str(total + register.settings.prn_extra)
        told = {"prnNumber": number, "prnDate": today.isoformat(), "prnAmount": amount}
        entry = {"unique": unique, "pin": header["withholderPin"], "prn": number, "answer": told}
        answer = {"responseCode": "70000", "responseDesc": "PRN generated", "status": "OK"}
        return {**entry, "lines": len(details)}, {**answer, "responseData": told}

    return file


def _wrong(what: str) -> Refused:
    return Refused("70001", f"Data Validation Error: {what}")


def _check_sums(header: Body, details: list[Any]) -> Decimal:
    if header.get("noOfTransactions") != len(details):
        raise _wrong("noOfTransactions")
    for theirs, field in (("totalGrossAmount", "grossAmount"), ("totalTaxAmount", "taxAmount")):
        total = sum((_amount(line.get(field), field) for line in details), Decimal())
        if _amount(header.get(theirs), theirs) != total:
            raise _wrong(theirs)
    return _amount(header["totalTaxAmount"], "totalTaxAmount")


def _check_line(header: Body, line: Body) -> None:
    begin, end = (_moment(header.get(f"taxPeriod{word}")) for word in ("From", "To"))
    paid = _moment(line.get("paymentDate"))
    if begin > end or not begin <= paid <= end:
        raise _wrong("paymentDate")
    if line.get("invoiceDate") is not None and _moment(line["invoiceDate"]) > paid:
        raise _wrong("invoiceDate")
    gross, rate = (
        _amount(line.get("grossAmount"), "grossAmount"),
        _amount(line.get("taxRate"), "taxRate"),
    )
    if abs(_amount(line.get("taxAmount"), "taxAmount") - gross * rate / 100) > _CENT / 2:
        raise _wrong("taxAmount")
    pin = str(line.get("withholdeePin") or line.get("landlordPin") or "")
    if len(pin) != 11:
        raise _wrong("withholdeePin")


def _amount(value: Any, name: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise _wrong(name)
    try:
        return Decimal(value)
    except InvalidOperation:
        raise _wrong(name) from None


def _moment(value: Any) -> datetime:
    try:
        return datetime.strptime(str(value), "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 - wall time
    except ValueError:
        raise _wrong("date") from None


def pin_registration(register: Register, body: Body, _today: date) -> Filed:
    """80000 [3+]: a new PIN."""
    details = _details(body)
    kind, number = wanted(details, "TaxpayerType", "IdentificationNumber")
    wanted(details, "DateOfBirth", "MobileNumber", "EmailAddress", "IsPinWithNoOblig")
    pin = f"A{700000000 + len(register.filings):09d}Z"
    person = {"pin": pin, "name": "NEW TAXPAYER", "ids": [f"{kind}:{number}"]}
    answer = {"ResponseCode": "80000", "Message": "PIN generated", "Status": "OK", "PIN": pin}
    return {"pin": pin, "taxpayer": person}, {"RESPONSE": answer}
