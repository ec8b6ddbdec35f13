"""The products that only tell (section 11)."""

from __future__ import annotations

from datetime import date
from typing import Any

from integrations.providers.kra.emulator.gavaconnect.answers import Refused, masked
from integrations.providers.kra.emulator.gavaconnect.register import Register, Taxpayer

Body = dict[str, Any]


def wanted(body: Body, *names: str) -> list[str]:
    """The texts under these keys, exact case; raises Refused where one is missing."""
    found = []
    for name in names:
        value = body.get(name)
        if not isinstance(value, str) or not value.strip():
            raise Refused("90001", f"{name} is mandatory")  # [guess]: the code is not documented
        found.append(value.strip())
    return found


def known(register: Register, pin: str, code: str, *, is_nok: bool = True) -> Taxpayer:
    """The taxpayer of a PIN; raises Refused with the product's code."""
    found = register.taxpayers.get(pin)
    if found is None:
        raise Refused(code, "Invalid PIN Number", is_nok=is_nok)
    return found


def pin_by_pin(register: Register, body: Body, _today: date) -> Body:
    """23000 [3+], 19005 for a PIN that is none."""
    (pin,) = wanted(body, "KRAPIN")
    found = known(register, pin, "19005")
    return {
        "ResponseCode": "23000",
        "Message": "Valid PIN",
        "Status": "OK",
        "PINDATA": {
            "KRAPIN": masked(register.settings, found.pin),
            "TypeOfTaxpayer": found.kind,
            "Name": masked(register.settings, found.name),
            "StatusOfPIN": found.status,
        },
    }


def pin_by_id(register: Register, body: Body, _today: date) -> Body:
    """30000 [3+], a flat answer."""
    kind, number = wanted(body, "TaxpayerType", "TaxpayerID")
    for each in register.taxpayers.values():
        if f"{kind}:{number}" in each.ids:
            return {
                "ResponseCode": "30000",
                "TaxpayerPIN": masked(register.settings, each.pin),
                "TaxpayerName": masked(register.settings, each.name),
            }
    raise Refused("30001", "ID number is not registered")  # [guess]: the code


def tcc_check(register: Register, body: Body, _today: date) -> Body:
    """83000 [3+], dates dd/MM/yyyy [2]."""
    pin, number = wanted(body, "kraPIN", "tccNumber")
    found = register.certificates.get(number)
    if found is None or found.pin != pin:
        # [guess]: the code of a certificate that is not the PIN's.
        raise Refused("83001", "Invalid TCC Number", is_nok=True)
    return {
        "ResponseCode": "83000",
        "Message": "TCC found",
        "Status": "OK",
        "TCCData": {
            "KRAPIN": masked(register.settings, pin),
            "TCCNumber": number,
            "TCCStatus": found.status,
            "TCCIssueDate": _day(found.issued),
            "TCCExpiryDate": _day(found.expires),
        },
    }


def _day(text: str) -> str:
    return date.fromisoformat(text).strftime("%d/%m/%Y") if text else ""


def obligations(register: Register, body: Body, _today: date) -> Body:
    """20000 [3+]; 20001 is the failure."""
    (pin,) = wanted(body, "taxPayerPin")
    found = known(register, pin, "20001", is_nok=False)
    return {
        "ResponseCode": "20000",
        "ResponseMsg": "Success",
        "ObligationsList": list(found.obligations),
    }


def station(register: Register, body: Body, _today: date) -> Body:
    """84000 [2], perhaps inside RESPONSE; 84002 for a wrong PIN."""
    (pin,) = wanted(body, "kraPIN")
    found = known(register, pin, "84002")
    return {
        "RESPONSE": {
            "ResponseCode": "84000", "Status": "OK", "STATIONDATA": {"stationName": found.station}
        }
    }  # fmt: skip


def invoice(register: Register, body: Body, _today: date) -> Body:
    """Invoice checker [3+]; the answer's fields are [1]."""
    number, day = wanted(body, "invoiceNumber", "invoiceDate")
    found = register.records.get("invoice", {}).get(number)
    if found is None or found.get("invoiceDate", day)[:10] != day:
        raise Refused("40001", "Invoice not found")  # [guess]: the code
    return {
        "responseCode": "40000", "responseDesc": "Invoice found", "status": "OK",
        "invoiceDetails": {"controlUnitInvoiceNumber": number, **found},
    }  # fmt: skip


def itexemption(register: Register, body: Body, _today: date) -> Body:
    """Snake case, 200 [3+]."""
    (pin,) = wanted(body, "pin")
    return {"response_code": "200", **_record(register, "itexemption", pin, "404")}


def vatexemption(register: Register, body: Body, _today: date) -> Body:
    """83000; 83002 not found [2]."""
    (number,) = wanted(body, "VatExemptionCertificateNo")
    return {"response_code": "83000", **_record(register, "vatexemption", number, "83002")}


def import_pin(register: Register, body: Body, _today: date) -> Body:
    """83000 [2]."""
    (pin,) = wanted(body, "pin_no")
    return {"response_code": "83000", **_record(register, "import", pin, "83002")}


def import_number(register: Register, body: Body, _today: date) -> Body:
    """83000 [2]."""
    (number,) = wanted(body, "CertificateNo")
    return {"response_code": "83000", **_record(register, "import", number, "83002")}


def excise_pin(register: Register, body: Body, _today: date) -> Body:
    """80000; 80002 [3+]."""
    (pin,) = wanted(body, "PINNo")
    return {"ResponseCode": "80000", **_record(register, "excise", pin, "80002")}


def excise_number(register: Register, body: Body, _today: date) -> Body:
    """80000; 80002 [3+]."""
    (number,) = wanted(body, "ExciseLicenceNo")
    return {"ResponseCode": "80000", **_record(register, "excise", number, "80002")}


def declaration(register: Register, body: Body, _today: date) -> Body:
    """[2]"""
    (number,) = wanted(body, "DeclarationNo")
    found = _record(register, "declaration", number, "404")
    return {"response_code": "200", "status": "OK", **found}


def prn(register: Register, body: Body, _today: date) -> Body:
    """[1]: a number that was made here, or one that was entered."""
    (number,) = wanted(body, "prnNumber")
    for filing in register.filings:
        if filing.get("prn") == number:
            return {"responseCode": "70000", "status": "OK", "responseData": filing["answer"]}
    return {"responseCode": "70000", "status": "OK", **_record(register, "prn", number, "404")}


def eslip(register: Register, body: Body, _today: date) -> Body:
    """[2], the answer unknown."""
    (number,) = wanted(body, "EslipNumber")
    return {"ResponseCode": "60000", "Status": "OK", **_record(register, "eslip", number, "404")}


def _record(register: Register, name: str, key: str, code: str) -> Body:
    found = register.records.get(name, {}).get(key)
    if found is None:
        raise Refused(code, "No record found")
    return dict(found)
