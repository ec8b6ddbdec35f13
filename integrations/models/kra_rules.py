"""What KRA's settings must look like, and how their lists are read. Text in, text out: no rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

# Every operation whose path `paths` can replace: eTIMS (reference, section 5), then GavaConnect's
# products (section 11).
OPERATIONS = frozenset(
    {
        "init", "code_list", "item_classes", "find_customer", "branch_list", "notices",
        "save_customer", "save_user", "save_insurance", "save_item", "item_list",
        "save_composition", "import_list", "update_import", "save_sale", "save_invoice",
        "find_invoice", "purchase_list", "save_purchase", "stock_list", "save_stock_io",
        "save_stock_master", "pin_by_pin", "pin_by_id", "tcc_check", "tcc_application",
        "nil_return", "turnover_tax", "withholding_vat", "withholding_income", "withholding_rental",
        "obligations", "liabilities", "station", "invoice_checker", "prn_search", "eslip",
        "income_tax_exemption", "vat_exemption", "import_certificate", "import_certificate_number",
        "excise_licence", "excise_licence_number", "customs_declaration", "pin_registration",
    }
)  # fmt: skip
PIN = re.compile(r"[A-Z][0-9]{9}[A-Z]")
PRODUCTS = (
    "pin_by_pin", "pin_by_id", "tcc_check", "tcc_application", "nil_return", "withholding",
    "obligations", "invoice_checker",
)  # fmt: skip
# Each documented path setting, and the operation that `paths` would name.
PATH_FIELDS = {
    "invoice_path": "save_sale",
    "invoice_status_path": "find_invoice",
    "sync_path": "code_list",
    "certificate_path": "tcc_application",
    "compliance_path": "pin_by_pin",
}
_RATE = re.compile(r"([A-E])\s*=\s*([0-9]{1,3}(?:\.[0-9]{1,2})?)")
_OBLIGATION = re.compile(r"(\w{1,10})=\s*(.+?)\s*(?=\s\w{1,10}=|$)")
_PATH = re.compile(r"/[!-~]*[!-.0-~]")
_PATH_WORDS = "A path begins with a slash, has no spaces, and no slash at its end."


def read_lines(text: str) -> Iterator[tuple[str, str]]:
    """(name, value) of each “name = value” line; empty lines and those after a “#” are no lines.

    A line without “=” has the value "".
    """
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, _, value = line.partition("=")
            yield name.strip(), value.strip()


def read_rates(text: str) -> dict[str, Decimal]:
    """The rates of “B=16 E=8”, in percent, by tax type; raises ValueError with the reason."""
    text = text.upper()
    pairs = _RATE.findall(text)
    rates = {kind: Decimal(rate) for kind, rate in pairs}
    if _RATE.sub("", text).strip(" ,;%\r\n\t") or len(rates) != len(pairs):
        raise ValueError("Write each tax type from A to E once with its rate: “B=16 E=8”.")
    if any(rate > 100 for rate in rates.values()):
        raise ValueError("A rate is at most 100 percent.")
    return rates


def read_obligations(text: str) -> dict[str, str]:
    """Names by code of “1=Income tax, individual 5=VAT”."""
    return dict(_OBLIGATION.findall(" ".join(text.split())))


def split_codes(text: str) -> list[str]:
    """The codes of a list with spaces or commas between them."""
    return re.split(r"[,\s]+", text.strip()) if text.strip() else []


def faults_of(row: Any) -> dict[str, str]:
    """What is wrong with a row of KRA's settings, by field; {} where nothing is."""
    faults: dict[str, str] = {}
    for check in (_identity, _numbers, _lists, _paths, _urls, _credentials, _items):
        for name, reason in check(row):
            faults.setdefault(name, reason)
    return faults


_Faults = Iterable[tuple[str, str]]


def _identity(row: Any) -> _Faults:
    for name in ("kra_pin", "retail_customer_pin"):
        if getattr(row, name) and not PIN.fullmatch(getattr(row, name)):
            yield name, "A KRA PIN is a letter, 9 digits and a letter, such as A123456789B."
    if row.branch_code and not re.fullmatch(r"[0-9]{2}", row.branch_code):
        yield "branch_code", "A branch has two digits, such as 00."
    # Section 4: CHAR up to 100.
    if len(row.device_serial) > 100 or re.search(r"\s", row.device_serial):
        yield "device_serial", "A serial has at most 100 characters and no spaces."
    if row.communication_key and not (row.kra_pin and row.branch_code):
        missing = "branch_code" if row.kra_pin else "kra_pin"
        yield missing, "Say whose communication key it is: it belongs to one PIN and branch."


def _numbers(row: Any) -> _Faults:
    for name in ("starting_invoice_number", "starting_stock_number", "starting_purchase_number"):
        if getattr(row, name) < 1:
            yield name, "Numbers start at 1."
    for name in ("requests_per_second", "read_timeout", "offline_hours", "offline_alarm_hours"):
        if getattr(row, name) < 1:
            yield name, "At least 1."
    for name in ("credit_note_limit", "credit_note_months"):
        if getattr(row, name) == 0:
            yield name, "At least 1; empty means no limit."
    if row.read_timeout > 300:
        yield "read_timeout", "At most 300 seconds."
    if row.signature_wait_seconds > 120:
        yield "signature_wait_seconds", "At most 120 seconds: a caller waits for it."
    if row.offline_alarm_hours > row.offline_hours:
        yield "offline_alarm_hours", "The alarm would come after the end of the offline hours."


def _lists(row: Any) -> _Faults:
    try:
        read_rates(row.tax_rates)
    except ValueError as error:
        yield "tax_rates", str(error)
    yield from _code_list(row, "credit_reasons", r"[0-9]{2}", "two digits each, such as “01 06”")
    for name in ("duplicate_codes", "vscu_duplicate_codes"):
        yield from _code_list(row, name, r"[0-9]{3}", "three digits each, such as “994 921”")
    told = " ".join(row.obligation_codes.split())
    if told:
        codes = [code for code, _ in _OBLIGATION.findall(told)]
        if not re.match(r"\w{1,10}=", told) or len(set(codes)) != len(codes):
            yield "obligation_codes", "Write each code once with its name: “5=VAT 6=PAYE”."


def _code_list(row: Any, name: str, form: str, words: str) -> _Faults:
    codes = split_codes(getattr(row, name))
    if not codes or not all(re.fullmatch(form, code) for code in codes):
        yield name, f"Codes have {words}."


def _paths(row: Any) -> _Faults:
    told: dict[str, str] = {}
    for name, path in read_lines(row.paths):
        if name not in OPERATIONS:
            yield "paths", f"“{name[:40]}” is no operation; write “save_sale = /path”."
        elif not _PATH.fullmatch(path):
            yield "paths", f"{name}: {_PATH_WORDS}"
        elif name in told:
            yield "paths", f"“{name}” has two lines."
        told[name] = path
    for name in ("token_path", *PATH_FIELDS):
        path = getattr(row, name)
        if path and not _PATH.fullmatch(path):
            yield name, _PATH_WORDS
    yield from _said_twice(row, told)
    for name, value in read_lines(row.gavaconnect_facts):
        about, _, what = name.partition(".")
        if about not in OPERATIONS or not what or not value:
            yield "gavaconnect_facts", f"“{name[:40]}”: write “station.code = 84000”."
        elif what == "token" and not _PATH.fullmatch(value):
            yield "gavaconnect_facts", f"{name}: {_PATH_WORDS}"


def _said_twice(row: Any, told: Mapping[str, str]) -> _Faults:
    for name, operation in PATH_FIELDS.items():
        preset = row._meta.get_field(name).default
        own = getattr(row, name) not in ("", preset)
        if own and told.get(operation, getattr(row, name)) != getattr(row, name):
            yield name, f"Paths says something else for “{operation}”: clear one of them."


def _urls(row: Any) -> _Faults:
    for name in ("base_url", "sandbox_url", "gavaconnect_url", "gavaconnect_sandbox_url"):
        url = getattr(row, name)
        if url and re.search(r"[?#\s]|//.*@", url):
            yield name, "An address here has no user, no question mark and no “#”."
        elif url and not url.startswith(("https://", "http://")):
            yield name, "An address begins with https://."
    live = row.environment == "production"
    for name in ("base_url", "gavaconnect_url") if live else ():
        if getattr(row, name).startswith("http://") and (
            name == "gavaconnect_url" or row.transport != "vscu"
        ):
            yield name, "Production needs https://: secrets and taxpayers' data go there."


def _credentials(row: Any) -> _Faults:
    for prefix in ("", *(f"{product}_" for product in PRODUCTS)):
        names = f"{prefix}client_id", f"{prefix}client_secret"
        held = [bool(getattr(row, name)) for name in names]
        if any(held) and not all(held):
            yield names[held.index(False)], "The client id and its secret belong together."
    is_gateway = row.transport == "oscu_gateway"
    if is_gateway and not row.apigee_app_id:
        yield "apigee_app_id", "The gateway needs the id of the app."
    if (is_gateway or row.is_bearer_sent) and not (row.client_id and row.client_secret):
        missing = "client_secret" if row.client_id else "client_id"
        yield missing, "Calls of this transport carry a token, for which the app's pair is needed."


def _items(row: Any) -> _Faults:
    if row.unknown_items == "default" and not row.default_item_code:
        yield "default_item_code", "Enter the item as which unknown ones are sold."
