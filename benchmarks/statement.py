"""Reconciliation: 100,000 payments against a statement, beside a loop that only reads both."""

from __future__ import annotations

import csv
import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from benchmarks.figures import Figure, at_most, beside, exactly, shown
from benchmarks.stage import child, read_line, run_alone, save_mpesa

PAYMENTS = 100_000
SECONDS, MEGABYTES = 60.0, 300.0
DAY = datetime(2026, 1, 14, 3, 0, tzinfo=UTC)
SHORT_CODE = "174379"
HEADING = (
    "Receipt No.", "Completion Time", "Initiation Time", "Details", "Transaction Status",
    "Paid In", "Withdrawn", "Balance", "Balance Confirmed", "Reason Type", "Other Party Info",
    "Linked Transaction ID", "A/C No.",
)  # fmt: skip


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    save_mpesa(short_code=SHORT_CODE)
    path = Path(os.environ["BENCH_FOLDER"]) / "statement.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        expected = plant(PAYMENTS, file)
    bare = _child("read", path)
    ours = _child("compare", path)
    _forget()
    path.unlink()
    return [
        at_most(f"statement of {PAYMENTS:,} payments compared", ours["seconds"], "s", SECONDS),
        at_most("  memory of the process", ours["megabytes"], "MB", MEGABYTES),
        beside(
            "  beside a loop that only reads file and table", ours["seconds"], "s",
            f"{bare['seconds']:.1f} s, {bare['megabytes']:.0f} MB",
            ours["seconds"] / bare["seconds"],
        ),
        exactly("  findings as planted", float(ours["totals"] == expected), "", 1.0),
        shown("  of it", f"{ours['imported']:.1f} s to import {ours['lines']:,} lines"),
        shown("  processor time of the process", f"{ours['cpu']:.1f} s"),
    ]  # fmt: skip


def plant(payments: int, file: IO[str]) -> dict[str, int]:
    """A day of payments in the ledger and its statement in `file`; how many of each finding.

    Of 1,000: 900 incoming and 100 payouts with their charges; 5 each are missing here, missing
    there and of another amount, 4 have an unknown outcome here, 1 a failed one.
    """
    from integrations.models import Payment

    writer = csv.writer(file)
    writer.writerow(["Short Code:", SHORT_CODE])
    end = DAY + timedelta(hours=23)
    writer.writerow(["Time Period:", f"From {_eat(DAY - timedelta(hours=1))} To {_eat(end)}"])
    writer.writerow(HEADING)
    rows: list[Payment] = []
    expected = dict.fromkeys(("matched", "missing_here", "missing_there", "amount_differs"), 0)
    for number in range(payments):
        payment, line, finding = _one(number)
        expected[finding] += 1
        if payment is not None:
            rows.append(Payment(**payment))
        if line is not None:
            writer.writerows(line)
        if len(rows) >= 2000 or number == payments - 1:
            Payment.objects.bulk_create(rows)
            rows.clear()
    # They were stored now; their day is the statement's.
    Payment.objects.update(created_at=DAY)
    file.flush()
    return expected


def _one(number: int) -> tuple[dict[str, Any] | None, list[list[str]] | None, str]:
    place = number % 1000
    at = DAY + timedelta(milliseconds=700 * number % (20 * 3600 * 1000))
    at = at.replace(microsecond=0)
    receipt, amount = f"UAE{number:07d}", Decimal(100 + number % 900)
    phone, reference = f"2547{number % 10**8:08d}", f"INV{number}"
    is_out = place % 10 == 9
    payment: dict[str, Any] | None = {
        "provider": "mpesa", "product": "b2c" if is_out else "stk_push",
        "direction": "out" if is_out else "in", "business": "", "environment": "sandbox",
        "amount": amount, "state": "succeeded", "phone": phone, "account_reference": reference,
        "short_code": SHORT_CODE, "receipt": receipt, "paid_at": at, "sent_at": at,
        "completed_at": at, "work_state": "done", "next_attempt_at": None,
    }  # fmt: skip
    told, finding = amount, "matched"
    line: list[list[str]] | None
    if place < 5:
        payment, finding = None, "missing_here"
    elif place < 15 and place != 9:
        told, finding = amount + 1, "amount_differs"
        if place >= 10:
            finding = "missing_there"
    elif place in (20, 21, 22, 23, 24):
        assert payment is not None
        payment.update(
            state="failed" if place == 24 else "unknown", receipt=None, paid_at=None,
            completed_at=at if place == 24 else None,
        )  # fmt: skip
    line = _lines(receipt, at, told, phone, reference, is_out=is_out)
    return payment, (None if finding == "missing_there" else line), finding


def _lines(
    receipt: str, at: datetime, amount: Decimal, phone: str, reference: str, *, is_out: bool
) -> list[list[str]]:
    when, sum_ = _eat(at), f"{amount:,.2f}"
    if not is_out:
        details = f"Pay Bill from {phone} - JANE DOE Acc. {reference}"
        return [[receipt, when, when, details, "Completed", sum_, "", "1,000.00", "true",
                 "Pay Bill Online", f"{phone} - JANE DOE", "", reference]]  # fmt: skip
    return [
        [receipt, when, when, f"Business Payment to {phone} - JANE DOE", "Completed", "",
         f"-{sum_}", "1,000.00", "true", "Business Payment to Customer via API",
         f"{phone} - JANE DOE", "", ""],
        [receipt, when, when, "Business Payment Charge", "Completed", "", "-9.00", "1,000.00",
         "true", "Business Payment Charge", "", "", ""],
    ]  # fmt: skip


def _eat(at: datetime) -> str:
    return f"{at + timedelta(hours=3):%Y-%m-%d %H:%M:%S}"


def _child(what: str, path: Path) -> dict[str, Any]:
    with child("-m", "benchmarks.statement_child", what, str(path)) as process:
        answer: dict[str, Any] = json.loads(read_line(process))
    return answer


def _forget() -> None:
    from integrations.models import (
        DomainEvent,
        Payment,
        PaymentEvent,
        StatementItem,
        StatementLine,
        StatementRun,
    )

    for model in (StatementItem, StatementRun, StatementLine, PaymentEvent, DomainEvent, Payment):
        model._base_manager.all()._raw_delete("default")  # type: ignore[attr-defined]


if __name__ == "__main__":
    run_alone(measure)
