"""The code list: classes and codes of section 10, and the item classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from integrations.providers.kra.emulator.settings import Settings

# When the lists were made: earlier than any lastReqDt of a client that has read them.
MADE = "20180328000000"


@dataclass(frozen=True, slots=True)
class Code:
    """One code of a class."""

    cls: str
    code: str
    name: str
    first: str = ""  # userDfnCd1
    at: str = MADE


# Class, its name, what userDfnCd1 holds.
CLASSES = (
    ("04", "Taxation Type", "Tax rate"),
    ("05", "Country", ""),
    ("07", "Payment Type", ""),
    ("10", "Quantity Unit", ""),
    ("11", "Sales Status", ""),
    ("12", "Stock In/Out Type", ""),
    ("14", "Transaction Type", ""),
    ("15", "Taxpayer Status", ""),
    ("17", "Packaging Unit", ""),
    ("24", "Item Type", ""),
    ("26", "Import Item Status", ""),
    ("31", "Registration Type", ""),
    ("32", "Credit Note Reason Code", ""),
    ("33", "Currency", ""),
    ("37", "Sales Receipt Type", ""),
    ("38", "Purchase Receipt Type", ""),
)
# Section 10. Where it names only the common codes of a class, the rest is of UNECE 20 and 21.
_CODES = """
05 KE Kenya|UG Uganda|TZ Tanzania|RW Rwanda|ET Ethiopia|ZA South Africa|CN China|IN India|GB United Kingdom|US United States|DE Germany|AE United Arab Emirates|JP Japan
07 01 CASH|02 CREDIT|03 CASH/CREDIT|04 BANK CHECK|05 DEBIT&CREDIT CARD|06 MOBILE MONEY|07 OTHER
10 4B Pair|AV Cap|BA Barrel|BE Bundle|BG Bag|BL Block|BLL Barrel (petroleum)|BX Box|CA Can|CEL Cell|CMT Centimetre|CR Carat|DR Drum|DZ Dozen|GLL Gallon|GRM Gram|GRO Gross|KG Kilo-Gramme|KTM Kilometre|KWT Kilowatt|L Litre|LTR Litre|LBR Pound|LK Link|M Metre|MTR Metre|M2 Square metre|M3 Cubic metre|MGM Milligram|MWT Megawatt hour|NO Number|NX Part per thousand|PA Packet|PG Plate|PR Pair|RL Reel|RO Roll|SET Set|ST Sheet|TNE Tonne|TU Tube|U Pieces/item|YRD Yard
11 01 Wait for Approval|02 Approved|03 Credit Note Requested|04 Cancelled|05 Credit Note Generated|06 Transferred
12 01 Import|02 Purchase|03 Return|04 Stock Movement|05 Processing|06 Adjustment|11 Sale|12 Return|13 Stock Movement|14 Processing|15 Discarding|16 Adjustment
14 C Copy|N Normal|P Proforma|T Training
15 A Active|D Inactive
17 AM Ampoule|BA Barrel|BC Bottlecrate|BE Bundle|BF Balloon, non-protected|BG Bag|BJ Bucket|BK Basket|BL Bale|BQ Bottle, protected cylindrical|BR Bar|BV Bottle, bulbous|BZ Bag|CA Can|CH Chest|CJ Coffin|CL Coil|CR Wooden crate|CS Cassette|CT Carton|CTN Container|CY Cylinder|DR Drum|GT Extra countable item|HH Hand baggage|IZ Ingots|JR Jar|JU Jug|JY Jerry can|KZ Canester|LZ Logs, in bundle|NT Net|OU Non-exterior packaging unit|PD Poddon|PG Plate|PI Pipe|PO Pilot|PU Traypack|RL Reel|RO Roll|RZ Rods, in bundle|SK Skeletoncase|TY Tank, cylindrical|VG Bulk, gas|VL Bulk, liquid|VO Bulk, solid, large particles|VQ Bulk, gas liquefied|VR Bulk, solid, granular|VT Extra bulk item|VY Bulk, fine particles|ML Mills|TN Tan
24 1 Raw Material|2 Finished Product|3 Service
26 1 Unsent|2 Waiting|3 Approved|4 Cancelled
31 A Automatic|M Manual
32 01 Missing Quantity|02 Missing Data|03 Damaged|04 Wasted|05 Raw Material Shortage|06 Refund
33 KES Kenyan Shilling|USD US Dollar|EUR Euro|GBP Pound Sterling|UGX Ugandan Shilling|TZS Tanzanian Shilling|RWF Rwandan Franc|ZAR Rand|CNY Yuan|INR Indian Rupee|AED Dirham|JPY Yen
37 S Sale|R Credit Note after Sale
38 P Purchase|R Credit Note after Purchase
"""  # noqa: E501 - a table
_TAX_NAMES = {"A": "A-Exempt", "B": "B-Standard", "C": "C-Zero rated", "D": "D-Non-VAT",
              "E": "E-Special"}  # fmt: skip


def _read() -> Iterator[Code]:
    for line in _CODES.strip().splitlines():
        cls, rest = line[:2], line[3:]
        for part in rest.split("|"):
            code, _, name = part.partition(" ")
            yield Code(cls, code, name)


_FIXED = tuple(_read())
TABLE = MappingProxyType(
    {cls: frozenset(each.code for each in _FIXED if each.cls == cls) for cls, _n, _u in CLASSES}
    | {"04": frozenset(_TAX_NAMES)}
)
# Section 5.1 [1]: the gateway's sandbox serves only about 26 classes and enforces them.
ITEM_CLASSES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "5059690800": ("Groceries", "B"), "5020230000": ("Beverages", "B"),
        "5013170100": ("Milk", "A"), "5022110000": ("Cereals", "A"), "5018000000": ("Bread", "A"),
        "1410150000": ("Paper", "B"), "1510150000": ("Petrol", "E"), "1511150000": ("Gas", "E"),
        "2510150000": ("Vehicles", "B"), "2611170000": ("Batteries", "B"),
        "3010000000": ("Construction material", "B"), "3912100000": ("Electrical parts", "B"),
        "4014000000": ("Pipes", "B"), "4111500000": ("Instruments", "B"),
        "4319150000": ("Telephones", "B"), "4321150000": ("Computers", "B"),
        "4410310000": ("Printer supplies", "B"), "5110000000": ("Medicines", "C"),
        "5310000000": ("Clothing", "B"), "5510150000": ("Books", "C"),
        "5610150000": ("Furniture", "B"), "7210000000": ("Building services", "B"),
        "8010000000": ("Consulting", "B"), "8111000000": ("Computer services", "B"),
        "8511000000": ("Health services", "A"), "9999999900": ("Others", "D"),
    }
)  # fmt: skip


def codes(settings: Settings) -> list[Code]:
    """Every code, the rates of class 04 as KRA lists them now."""
    taxes = [
        Code("04", letter, name, settings.listed_rates[letter])
        for letter, name in _TAX_NAMES.items()
    ]
    return [*taxes, *_FIXED]
