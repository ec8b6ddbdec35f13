"""An invoice of 40 lines from the ERP's dict to KRA's body, beside what json alone takes.

Building is everything before the number: the dict is read and checked, items and code lists come
from the database, every amount is worked out and the sums are compared, and the body is made.
"""

from __future__ import annotations

import json
import time
from typing import Any

from benchmarks.figures import Figure, at_most, beside, interleave, median_ratio, shown
from benchmarks.stage import run_alone

LINES, ITEMS = 40, 2_000
ROUNDS, CALLS = 40, 5
BOUND = 3.0
PIN = "P051234567X"
# Sizes of the lists as KRA tells them (reference, section 10).
CLASSES = {"07": 7, "10": 43, "17": 52}


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    from integrations.config import clear_cache, get_snapshot
    from integrations.kra.documents import prepare, read_invoice
    from integrations.providers.kra.payloads.sale import sale_body

    _fill()
    clear_cache()
    config, data = get_snapshot("kra"), _invoice()

    def build() -> dict[str, Any]:
        prepared = prepare(read_invoice(data), config)
        return sale_body(prepared.document, config=config, number=1)

    invoice = read_invoice(data)
    document = prepare(invoice, config).document
    body = build()
    legs = (
        lambda: _time(build),
        lambda: _time(lambda: json.loads(json.dumps(body))),
        lambda: _time(lambda: read_invoice(data)),
        lambda: _time(lambda: prepare(invoice, config)),
        lambda: _time(lambda: sale_body(document, config=config, number=1)),
    )
    built, floor, read, prepared_in, made = interleave(ROUNDS, *legs)
    ratio = median_ratio(built, floor)
    lowest = f"json both ways {_median(floor):.2g} ms"
    return [
        at_most(f"KRA: build and validate {LINES} lines", _median(built), "ms", BOUND),
        beside("  beside the body's JSON", _median(built), "ms", lowest, ratio),
        shown("  read and check", f"{_median(read):.2f} ms"),
        shown("  items, lists, amounts, sums", f"{_median(prepared_in):.2f} ms"),
        shown("  body", f"{_median(made):.2f} ms"),
        shown("  lines on the wire", str(len(body["itemList"]))),
    ]


def _time(call: Any) -> float:
    """Milliseconds of one call, of the best of a few: the others were disturbed."""
    return min(_once(call) for _ in range(CALLS))


def _once(call: Any) -> float:
    begin = time.perf_counter()
    call()
    return (time.perf_counter() - begin) * 1000


def _median(values: list[float]) -> float:
    from statistics import median

    return median(values)


def _fill() -> None:
    """Settings, the code lists, and a catalogue."""
    from integrations.models import KRACode, KRAItem, KRASettings

    for model in (KRASettings, KRACode, KRAItem):
        model.objects.all().delete()
    KRASettings.objects.create(kra_pin=PIN, branch_code="00")
    rates = {"A": "0", "B": "16", "C": "0", "D": "0", "E": "8"}
    codes = [_code("04", name, [rate, "", ""]) for name, rate in rates.items()]
    codes += [_code("10", "NO", []), _code("17", "CT", [])]
    for class_code, count in CLASSES.items():
        codes += [_code(class_code, f"Z{number}", []) for number in range(1, count)]
    KRACode.objects.bulk_create(codes)
    KRAItem.objects.bulk_create(_item(number) for number in range(ITEMS))


def _code(class_code: str, code: str, extra: list[str]) -> Any:
    from integrations.models import KRACode

    return KRACode(environment="sandbox", class_code=class_code, code=code, extra=extra)


def _item(number: int) -> Any:
    from integrations.models import KRAItem

    return KRAItem(
        environment="sandbox", tin=PIN, item_code=f"KE2CTNO{number:07d}",
        reference=f"SKU-{number}", name=f"Item {number}", class_code="50596908", type_code="2",
        packaging_unit="CT", quantity_unit="NO", tax_type="BBBAE"[number % 5],
    )  # fmt: skip


def _invoice() -> dict[str, Any]:
    """Prices with the tax; every fourth line has a discount; the total is checked."""
    lines = [
        {
            "description": f"Item {number}",
            "reference": f"SKU-{number}",
            "quantity": number + 1,
            "unit_price": f"{99 + number}.50",
            **({"discount_rate": 10} if number % 4 == 0 else {}),
        }
        for number in range(LINES)
    ]
    return {
        "invoice_number": "INV-1",
        "issue_date": "2026-01-15",
        "customer": {"name": "Wanjiku Traders Ltd", "kra_pin": "P051234568Y"},
        "prices_include_tax": True,
        "items": lines,
    }


if __name__ == "__main__":
    run_alone(measure)
