"""GavaConnect's products as data: where each is, how it is asked, how it says yes.

Source: eTIMS reference, section 11. Two settings replace what is told here: `paths` a path, and
`gavaconnect_facts` a key of the request, the codes of success or the path of its token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Product:
    """One product. Keys of requests have their exact case, which differs from product to product.

    `keys` maps our name of a value to KRA's, inside `envelope` where the product has one.
    `codes` are those of success; empty: the reference knows none, so the absence of an error
    counts. `credentials` is the beginning of the settings' own pair ("tcc_check" for
    tcc_check_client_id), `path_setting` the setting with its path. `is_write`: it has legal
    effect, and is never sent a second time by itself.
    """

    name: str
    title: str
    path: str
    keys: Mapping[str, str] = field(default_factory=dict)
    codes: frozenset[str] = frozenset()
    envelope: str = ""
    credentials: str = ""
    path_setting: str = ""
    is_write: bool = False
    is_open: bool = False  # a body of the caller's own
    # Of what the product tells about, the words of a good standing, in lower case.
    good: frozenset[str] = frozenset()
    # Where its token is had; "": where all the others' are, by the setting `token_path`. Payments
    # and duty reportedly have /oauth/v1/generate (section 3 [1]).
    token_path: str = ""


_WITHHOLDING = frozenset({"70000"})

_ALL = (
    Product(
        "pin_by_pin", "PIN by PIN", "/checker/v1/pinbypin", {"pin": "KRAPIN"},
        frozenset({"23000"}), credentials="pin_by_pin", path_setting="compliance_path",
        good=frozenset({"active"}),
    ),
    Product(
        "pin_by_id", "PIN by ID", "/checker/v1/pin",
        {"taxpayer_type": "TaxpayerType", "taxpayer_id": "TaxpayerID"},
        frozenset({"30000"}), credentials="pin_by_id",
    ),
    Product(
        "tcc_check", "TCC check", "/v1/kra-tcc/validate",
        {"pin": "kraPIN", "number": "tccNumber"},
        frozenset({"83000"}), credentials="tcc_check",
        # [guess]: the reference names the field and no value.
        good=frozenset({"valid", "active", "approved", "issued"}),
    ),
    Product(
        "tcc_application", "TCC application", "/application/v1/tcc",
        {"pin": "TaxpayerPIN", "reason": "ReasonForTCC"},
        frozenset({"85000"}), "TAXPAYERDETAILS", "tcc_application", "certificate_path",
        is_write=True,
    ),
    Product(
        "nil_return", "NIL return", "/dtd/return/v1/nil",
        {"pin": "TaxpayerPIN", "obligation": "ObligationCode", "month": "Month", "year": "Year"},
        frozenset({"82000"}), "TAXPAYERDETAILS", "nil_return", is_write=True,
    ),
    # [2]; no code of success is known.
    Product(
        "turnover_tax", "Turnover tax", "/filing/v1/tot/paymentregistration",
        {"pin": "TaxpayerPIN", "month": "Month", "year": "Year", "turnover": "GrossTurnover"},
        envelope="TAXPAYERDETAILS", is_write=True,
        credentials="turnover_tax",
    ),
    Product(
        "withholding_vat", "Withholding PRN", "/generate/v1/prn/whtvat", codes=_WITHHOLDING,
        credentials="withholding", is_write=True, is_open=True,
    ),
    Product(
        "withholding_income", "Withholding PRN", "/generate/v1/prn/whtit", codes=_WITHHOLDING,
        credentials="withholding", is_write=True, is_open=True,
    ),
    Product(
        "withholding_rental", "Withholding PRN", "/generate/v1/prn/whtrental",
        codes=_WITHHOLDING, credentials="withholding", is_write=True, is_open=True,
    ),
    Product(
        "obligations", "Obligations", "/dtd/checker/v1/obligation", {"pin": "taxPayerPin"},
        frozenset({"20000"}), credentials="obligations",
    ),
    # [1]: neither the request nor the answer is known.
    Product("liabilities", "Liabilities", "/dtd/checker/v1/liabilities", credentials="liabilities"),
    Product(
        "station", "KRA station", "/dtd/checker/v1/station", {"pin": "kraPIN"},
        frozenset({"84000"}),
        credentials="station",
    ),
    Product(
        "invoice_checker", "Invoice checker", "/checker/v1/invoice",
        {"number": "invoiceNumber", "date": "invoiceDate"}, credentials="invoice_checker",
    ),
    Product(
        "prn_search", "PRN search", "/dtd/checker/v1/prn", {"number": "prnNumber"},
        credentials="prn_search",
    ),
    Product(
        "eslip", "e-slip", "/payment/checker/v1/eslip", {"number": "EslipNumber"},
        credentials="eslip",
    ),
    Product(
        "income_tax_exemption", "Income-tax exemption", "/checker/v1/itexemption",
        {"pin": "pin"}, frozenset({"200"}),
        credentials="income_tax_exemption",
    ),
    Product(
        "vat_exemption", "VAT exemption", "/dtd/checker/v1/vatexemption",
        {"number": "VatExemptionCertificateNo"}, frozenset({"83000"}),
        credentials="vat_exemption",
    ),
    Product(
        "import_certificate", "Import certificate", "/cbc/checker/v1/importcertificate/pin",
        {"pin": "pin_no"}, frozenset({"83000"}),
        credentials="import_certificate",
    ),
    Product(
        "import_certificate_number", "Import certificate",
        "/cbc/checker/v1/importcertificate/num", {"number": "CertificateNo"},
        frozenset({"83000"}),
        credentials="import_certificate",
    ),
    Product(
        "excise_licence", "Excise licence", "/checker/v1/ExciseLicenseByPin",
        {"pin": "PINNo"}, frozenset({"80000"}),
        credentials="excise_licence",
    ),
    Product(
        "excise_licence_number", "Excise licence", "/checker/v1/ExciseLicenseByNum",
        {"number": "ExciseLicenceNo"}, frozenset({"80000"}),
        credentials="excise_licence",
    ),
    Product(
        "customs_declaration", "Customs declaration", "/checker/v1/simple/declaration",
        {"number": "DeclarationNo"},
        credentials="customs_declaration",
    ),
    Product(
        "pin_registration", "PIN registration", "/v1/generate/pin",
        {
            "taxpayer_type": "TaxpayerType", "taxpayer_id": "IdentificationNumber",
            "born": "DateOfBirth", "phone": "MobileNumber", "email": "EmailAddress",
            "without_obligation": "IsPinWithNoOblig",
        },
        frozenset({"80000"}), "TAXPAYERDETAILS", is_write=True,
        credentials="pin_registration",
    ),
)  # fmt: skip

PRODUCTS: Mapping[str, Product] = MappingProxyType({each.name: each for each in _ALL})
