"""Statement files as the organisation portal exports them, written by hand for the tests."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

HEADING = (
    "Receipt No.", "Completion Time", "Initiation Time", "Details", "Transaction Status",
    "Paid In", "Withdrawn", "Balance", "Balance Confirmed", "Reason Type", "Other Party Info",
    "Linked Transaction ID", "A/C No.",
)  # fmt: skip
DAY = "2026-01-14"


def row(receipt: str, **told: str) -> dict[str, str]:
    """One row: an incoming payment of 150 for INV001 unless told otherwise."""
    values = {
        "Receipt No.": receipt,
        "Completion Time": f"{DAY} 09:30:21",
        "Initiation Time": f"{DAY} 09:30:20",
        "Details": "Pay Bill from 254712345678 - JANE DOE Acc. INV001",
        "Transaction Status": "Completed",
        "Paid In": "150.00",
        "Withdrawn": "",
        "Balance": "1,150.00",
        "Balance Confirmed": "true",
        "Reason Type": "Pay Bill Online",
        "Other Party Info": "254712345678 - JANE DOE",
        "A/C No.": "INV001",
    }
    names = {"at": "Completion Time", "paid_in": "Paid In", "withdrawn": "Withdrawn",
             "details": "Details", "status": "Transaction Status", "party": "Other Party Info",
             "account": "A/C No.", "reason": "Reason Type",
             "linked": "Linked Transaction ID"}  # fmt: skip
    return {**values, **{names.get(name, name): value for name, value in told.items()}}


def paid_out(receipt: str, amount: str, **told: str) -> dict[str, str]:
    """One row of a payout."""
    details = "Business Payment to 254712345678 - JANE DOE"
    return row(
        receipt,
        **{"paid_in": "", "withdrawn": f"-{amount}", "details": details, "account": "",
           "reason": "Business Payment to Customer via API", **told},
    )  # fmt: skip


def charge(receipt: str, amount: str, **told: str) -> dict[str, str]:
    """The charge for it, under the same receipt."""
    return row(
        receipt,
        **{"paid_in": "", "withdrawn": f"-{amount}", "details": "Business Payment Charge",
           "reason": "Business Payment Charge", "party": "", "account": "", **told},
    )  # fmt: skip


def sheet(
    *rows: dict[str, str],
    short_code: str = "174379",
    period: tuple[str, str] | None = (f"{DAY} 00:00:00", f"{DAY} 23:59:59"),
    heading: Sequence[str] = HEADING,
    separator: str = ",",
    encoding: str = "utf-8",
    newline: str = "\r\n",
) -> io.BytesIO:
    """A file of these rows."""
    lines = []
    if short_code:
        lines.append([f"Short Code: {short_code}", "Organization: DUKA LTD"])
    if period:
        lines.append([f"Time Period: From {period[0]} To {period[1]}"])
    lines += [[], list(heading)]
    lines += [[each.get(name, "") for name in heading] for each in rows]
    text = "".join(separator.join(map(_quoted, line)) + newline for line in lines)
    return io.BytesIO(text.encode(encoding))


def _quoted(cell: Any) -> str:
    return '"' + str(cell).replace('"', '""') + '"'
