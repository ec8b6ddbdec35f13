"""The judge of invoices is judged: one book for each kind of lie."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from tests.chaos.kra_judge import kra_disagreements


def invoice(at: int = 1, **changes: Any) -> Any:
    facts = {
        "pk": at, "trader_number": f"INV-{at}", "state": "signed", "number": at,
        "kind": "sale", "total": Decimal("116.00"), "tax": Decimal("16.00"),
        "body": {"invcNo": at, "totAmt": 116, "itemList": [{"qty": 1.0}]}, "original": None,
        "signature": f"SIGNATURE{at}", "internal_data": "DATA", "receipt_number": at,
        "attention": "",
    }  # fmt: skip
    return SimpleNamespace(**facts | changes)


def sale(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "number": number, "trader_number": f"INV-{number}", "kind": "S", "original_number": 0,
        "total": "116.00", "tax": "16.00", "signature": f"SIGNATURE{number}",
        "internal_data": "DATA", "receipt_number": number, **changes,
    }  # fmt: skip


def verdict(
    sales: list[dict[str, Any]],
    invoices: list[Any],
    *,
    handed_in: tuple[str, ...] = (),
    last_number: int | None = None,
    branch: str = "00",
    **changes: Any,
) -> list[str]:
    bodies = {
        str(each["number"]): {"invcNo": each["number"], "totAmt": 116.0, "cmcKey": "x",
                              "itemList": [{"qty": 1}], **changes}
        for each in sales
    }  # fmt: skip
    last = len(sales) if last_number is None else last_number
    unit = {"branch": branch, "sales": sales, "counters": {"invoice": len(sales)}}
    return kra_disagreements(unit, invoices, bodies, handed_in, last_number=last)


def test_equal_books() -> None:
    assert verdict([sale(1), sale(2)], [invoice(1), invoice(2)], handed_in=("INV-1",)) == []


def test_signed_twice() -> None:
    twice = verdict([sale(1), sale(2, trader_number="INV-1")], [invoice(1)])
    assert "INV-1 was signed 2 times" in twice


def test_a_gap_and_a_counter_that_is_off() -> None:
    assert "KRA's numbers have a gap: [1, 3]" in verdict(
        [sale(1), sale(3)], [invoice(1), invoice(3)]
    )
    assert verdict([sale(1)], [invoice(1)], last_number=2) == ["KRA's counter is at 1, ours at 2"]


def test_lost_and_foreign_ones() -> None:
    assert "INV-2 was handed in, and it is gone" in verdict(
        [sale(1)], [invoice(1)], handed_in=("INV-1", "INV-2")
    )
    assert "INV-2 is at KRA, and not in our book" in verdict([sale(1), sale(2)], [invoice(1)])


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"state": "queued", "number": None}, "it has not come to an end"),
        ({"state": "in_doubt"}, "it has not come to an end"),
        ({"state": "rejected", "number": None}, "KRA has signed it as number 1"),
        ({"state": "registered", "attention": "x"}, "its signature could have been asked for"),
        ({"signature": "OTHER"}, "signed"),
        ({"total": Decimal("116.01")}, "KES 116.01"),
        ({"body": {"invcNo": 1, "totAmt": 117}}, "the stored body is not the one that KRA has"),
        ({"receipt_number": 9}, "signed"),
        ({"tax": Decimal("15.99")}, "with tax 15.99"),
        (
            {"body": {"invcNo": 1, "totAmt": Decimal("116.01"), "itemList": [{"qty": 1}]}},
            "the stored body is not the one that KRA has",
        ),
        (
            {
                "body": {
                    "invcNo": 1,
                    "totAmt": 116,
                    "itemList": [{"qty": 1}],
                    "custTin": "P000000000A",
                }
            },
            "the stored body is not the one that KRA has",
        ),
    ],
)
def test_another_end_or_content(changes: dict[str, Any], word: str) -> None:
    found = verdict([sale(1)], [invoice(1, **changes)])
    assert any(word in each for each in found), found


def test_signed_on_our_side_alone() -> None:
    assert "INV-2 is signed: KRA does not have it" in verdict([sale(1)], [invoice(1), invoice(2)])


def test_a_rejected_one_gives_its_number_back() -> None:
    refused = invoice(2, state="rejected", number=None)
    assert verdict([sale(1)], [invoice(1), refused]) == []
    kept = verdict([sale(1)], [invoice(1), invoice(2, state="rejected")])
    assert "INV-2 is rejected: it keeps a number" in kept


def test_registered_on_a_vscu_is_for_people() -> None:
    waiting = invoice(1, state="registered", signature="")
    assert verdict([sale(1)], [waiting], branch="02") == [
        "INV-1 is registered: on nobody's work list"
    ]
    waiting.attention = "Type it in."
    assert verdict([sale(1)], [waiting], branch="02") == []


def test_out_of_order() -> None:
    rows = [invoice(1, pk=2), invoice(2, pk=1)]
    assert verdict([sale(1), sale(2)], rows) == ["not sent in order: [2, 1]"]


def test_credited_too_much() -> None:
    notes = [
        sale(number, kind="R", original_number=1, total="70.00", tax="9.66") for number in (2, 3)
    ]
    found = verdict([sale(1), *notes], [invoice(1)])
    assert "number 1 was credited KES 140.00, it came to 116.00" in found


def test_credited_a_cent_too_much() -> None:
    whole, over = (
        verdict(
            [sale(1), sale(2, kind="R", original_number=1, total=total)],
            [invoice(1), invoice(2, kind="credit_note", original=invoice(1), total=Decimal(total))],
        )
        for total in ("116.00", "116.01")
    )
    assert whole == []
    assert "number 1 was credited KES 116.01, it came to 116.00" in over


def test_sums() -> None:
    found = verdict([sale(1)], [invoice(1), invoice(2)])
    assert any(each.startswith("our book sums up to KES") for each in found)
