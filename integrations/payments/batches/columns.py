"""A payout file as rows of text: encoding, separator, and columns whatever they are called."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from integrations.exceptions import InvalidInput
from integrations.payments.statements.cells import plain
from integrations.payments.statements.sheet import encoding_of

SEPARATORS = (",", ";", "\t", "|")
# Characters of one line; a longer one has lost its line breaks.
LONGEST_LINE = 5000
# Headings as they are compared: small letters and digits only.
COLUMNS = {
    "phone": (
        "phone", "phonenumber", "phoneno", "msisdn", "mobile", "mobilenumber", "mobileno",
        "mpesanumber", "mpesano", "receiver", "partyb", "telephone", "tel", "number",
    ),
    "amount": ("amount", "amountkes", "amountksh", "kes", "sum", "netpay", "pay", "value"),
    "reference": (
        "reference", "ref", "referenceno", "accountreference", "account", "invoice",
        "invoiceno", "payrollno", "payrollnumber", "employeeno", "employeenumber", "staffno",
    ),
    "remarks": ("remarks", "remark", "comment", "comments", "narration", "description", "reason"),
    "name": ("name", "fullname", "names", "payee", "payeename", "employeename", "beneficiary",
             "receivername"),
}  # fmt: skip
REQUIRED = ("phone", "amount", "reference")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it is written, with the number of its line."""

    line: int
    phone: str
    amount: str
    reference: str
    remarks: str
    name: str


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file, read as they are asked for, and the columns that nobody knows."""

    rows: Iterator[Row]
    ignored: list[str]


def bad_file(reason: str) -> InvalidInput:
    """The whole file can't be used."""
    return InvalidInput("file", reason, code="bad_payout_file")


def read_table(file: IO[bytes]) -> Table:
    """The rows of a file from its beginning; the file stays open.

    Raises InvalidInput (field file) for what is no text, and for a first line that does not name
    the columns; the same while rows are read that can't be decoded or split.
    """
    file.seek(0)
    start = file.read(4096)
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise bad_file("is a spreadsheet: save it as CSV (UTF-8) and use that.")
    file.seek(0)
    lines = _lines(file, encoding_of(start))
    heading = next((line for line in lines if line[1].strip()), None)
    if heading is None:
        raise bad_file("is empty.")
    for separator in SEPARATORS:
        names = next(csv.reader([heading[1]], delimiter=separator), [])
        found, ignored = _columns_of(names)
        if set(REQUIRED) <= set(found):
            return Table(_rows(lines, separator, found), ignored)
    raise bad_file(
        "must name its columns in the first line: phone, amount and reference, and if wanted "
        "remarks and name."
    )


def _lines(file: IO[bytes], encoding: str) -> Iterator[tuple[int, str]]:
    """(number, text) of each line. Decoded by lines, so memory stays flat whatever the file."""
    kept = io.BufferedReader(_Kept(file))
    text = io.TextIOWrapper(kept, encoding=encoding, errors="strict", newline=None)
    number = 0
    while True:
        number += 1
        try:
            line = text.readline(LONGEST_LINE + 1)
        except UnicodeError:
            raise bad_file(f"is no text in UTF-8, at line {number} or after it.") from None
        if not line:
            return
        if len(line) > LONGEST_LINE:
            raise bad_file(f"has a line {number} of more than {LONGEST_LINE:,} characters.")
        yield number, line


class _Kept(io.RawIOBase):
    """A file that the text layer may close without closing the caller's."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Bytes of the file into the buffer; how many."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        data = self._file.read(len(view))
        view[: len(data)] = data
        return len(data)


def _columns_of(names: list[str]) -> tuple[dict[str, int], list[str]]:
    """The place of each column that is known, and the headings that are not.

    Raises InvalidInput where two columns claim to be the same: nobody should guess which.
    """
    simple = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in names]
    found: dict[str, int] = {}
    for column, spellings in COLUMNS.items():
        places = [place for place, name in enumerate(simple) if name in spellings]
        if len(places) > 1:
            claims = " and ".join(f'"{names[place].strip()[:30]}"' for place in places[:2])
            raise bad_file(f"has two columns for the {column}: {claims}. Leave one out.")
        if places:
            found[column] = places[0]
    used = set(found.values())
    return found, [n.strip()[:30] for p, n in enumerate(names) if p not in used and n.strip()]


def _rows(
    lines: Iterator[tuple[int, str]], separator: str, columns: dict[str, int]
) -> Iterator[Row]:
    number = 0

    def texts() -> Iterator[str]:
        nonlocal number
        for number, text in lines:  # noqa: B007 (read outside, for its line)
            yield text

    reader = csv.reader(texts(), delimiter=separator, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise bad_file(f"can't be split into columns at line {number}: {error}.") from None
        if any(cell.strip() for cell in cells):
            yield _row(number, cells, columns)


def _row(number: int, cells: list[str], columns: dict[str, int]) -> Row:
    def cell(name: str) -> str:
        place = columns.get(name)
        text = cells[place] if place is not None and place < len(cells) else ""
        return " ".join(plain(text).split())

    return Row(number, *(cell(name) for name in ("phone", "amount", "reference", "remarks",
                                                 "name")))  # fmt: skip
