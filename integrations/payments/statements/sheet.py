"""A statement file as rows of text: encoding, separator, head lines, the table's columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO

from integrations.payments.statements.cells import parse_moment

# Lines in which the table's heading must have come.
HEAD_LINES = 60
SEPARATORS = (",", ";", "\t", "|")
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# Headings as they are compared: small letters and digits only.
COLUMNS = {
    "receipt": ("receiptno", "receipt", "receiptnumber", "transactionid", "transid"),
    "completed": ("completiontime", "completed", "finalisedtime", "transactiontime"),
    "initiated": ("initiationtime", "initiated"),
    "details": ("details", "description"),
    "status": ("transactionstatus", "status"),
    "paid_in": ("paidin", "paidinkes", "credit"),
    "withdrawn": ("withdrawn", "withdrawal", "withdrawnkes", "debit"),
    "balance": ("balance",),
    "reason": ("reasontype", "transactiontype"),
    "party": ("otherpartyinfo", "otherparty", "opposingparty", "oppositeparty"),
    "linked": ("linkedtransactionid", "linkedtransaction"),
    "account": ("acno", "accountno", "accountnumber", "billreferencenumber"),
    "currency": ("currency",),
}
REQUIRED = {
    "receipt": "Receipt No.",
    "completed": "Completion Time",
    "status": "Transaction Status",
    "paid_in": "Paid In",
    "withdrawn": "Withdrawn",
}
_SHORT_CODE = re.compile(r"short\s*code\W{0,5}(\d{5,7})\b", re.IGNORECASE)
_DATE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[ T]+\d{1,2}:\d{2}(?::\d{2})?"
_PERIOD = re.compile(rf"({_DATE})\W{{1,5}}to\W{{0,5}}({_DATE})", re.IGNORECASE)
# Not "Account Holder", which is a name.
_ACCOUNT = re.compile(r"^\W*account(?:\s+(?:type|name))?\s*[:;,|\t]+\W*([^;|\t]+)", re.IGNORECASE)


class NoStatement(ValueError):
    """The file is no statement; the text says why."""


@dataclass(slots=True)
class Sheet:
    """The rows below the heading, with their line numbers; what the head lines tell."""

    rows: Iterator[tuple[int, list[str]]]
    columns: dict[str, int]
    head: list[str] = field(default_factory=list)

    @property
    def short_code(self) -> str:
        """The account's short code by the head lines, "" where they name none."""
        found = _SHORT_CODE.search("\n".join(self.head))
        return found.group(1) if found else ""

    @property
    def account(self) -> str:
        """Which of the short code's accounts is listed, "" for all of them."""
        for line in self.head:
            found = _ACCOUNT.match(line)
            if found:
                name = found.group(1).strip(" ,.:")
                return "" if name.lower() in ("all", "all accounts") else name[:60]
        return ""

    @property
    def period(self) -> tuple[datetime, datetime] | None:
        """The period that the head lines name."""
        found = _PERIOD.search("\n".join(self.head))
        if not found:
            return None
        try:
            begin, end = parse_moment(found.group(1)), parse_moment(found.group(2))
        except ValueError:
            return None
        return (begin, end) if begin <= end else None


def encoding_of(start: bytes) -> str:
    """By the byte-order mark, else by the zeros of UTF-16; UTF-8 otherwise."""
    for mark, name in _BOMS:
        if start.startswith(mark):
            return name
    sample = start[:400]
    if sample.count(0) * 3 > len(sample):
        return "utf-16-le" if sample[1:2] == b"\x00" else "utf-16-be"
    return "utf-8"


def read_sheet(file: IO[bytes]) -> Sheet:
    """The sheet of a file, from its beginning; rows are read as they are asked for.

    Raises NoStatement where the heading is not found, and, while rows are read, where the text
    can't be decoded or a row can't be split.
    """
    file.seek(0)
    start = file.read(4096)
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise NoStatement("is a spreadsheet; save it as CSV and import that")
    file.seek(0)
    encoding = encoding_of(start)
    # A name in another encoding costs its letters, not the file: all that counts is plain.
    errors = "replace" if encoding.startswith("utf-8") else "strict"
    text = io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")
    try:
        return _with_heading(text)
    except UnicodeDecodeError:
        raise NoStatement(f"is not text in {encoding.upper()}") from None


def _with_heading(text: io.TextIOWrapper) -> Sheet:
    head: list[str] = []
    skipped = 0
    for number in range(1, HEAD_LINES + 1):
        line = text.readline(20_000)
        if not line:
            break
        for separator in SEPARATORS:
            columns = _columns_of(line, separator)
            if columns is not None:
                return Sheet(_rows(text, separator, number), columns, head)
        head.append(" ".join(line.replace('"', " ").split())[:500])
        skipped = number
    raise NoStatement(
        f"has no heading with {', '.join(REQUIRED.values())} in its first {skipped or 1} lines"
    )


def _columns_of(line: str, separator: str) -> dict[str, int] | None:
    try:
        names = next(csv.reader([line], delimiter=separator))
    except (csv.Error, StopIteration):
        return None
    simple = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    found: dict[str, int] = {}
    for column, spellings in COLUMNS.items():
        places = [simple.index(each) for each in spellings if each in simple]
        if places:
            found[column] = places[0]
    return found if set(REQUIRED) <= set(found) else None


def _rows(text: io.TextIOWrapper, separator: str, before: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text, delimiter=separator)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except UnicodeDecodeError:
            raise NoStatement(
                f"has bytes after line {before + reader.line_num} that are no text"
            ) from None
        except csv.Error as error:
            raise NoStatement(
                f"can't be split at line {before + reader.line_num}: {error}"
            ) from None
        yield before + reader.line_num, row
