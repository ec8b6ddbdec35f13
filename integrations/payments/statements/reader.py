"""An M-Pesa organisation statement as lines, or the list of what is wrong with it.

Source: the CSV export of the M-PESA organisation portal; its layout is not documented, so order,
case, quotes, separators and date layouts are read tolerantly, and every row that can't be
understood is refused by number. Nothing of a file with such a row is stored.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import IO, NamedTuple, cast

from integrations.exceptions import InvalidInput
from integrations.models import Direction
from integrations.payments.statements.cells import cut, parse_moment, parse_sum, plain
from integrations.payments.statements.details import read_details
from integrations.payments.statements.sheet import NoStatement, Sheet, read_sheet

MAX_LINES = 1_000_000
# Faults that are told one by one; of more, only how many.
FAULTS_TOLD = 100
_RECEIPT = re.compile(r"[A-Za-z0-9]{6,40}")
_NO_ROW = re.compile(r"^(?:total|grand total|sub ?total|opening|closing|end of|disclaimer|page)\b")
COMPLETED = frozenset({"completed", "complete", "success", "successful"})


class Fault(NamedTuple):
    """What is wrong with one line of the file, in words."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.reason}."


class BadStatement(InvalidInput):
    """The file was refused and nothing of it stored; `faults` names each line."""

    def __init__(self, faults: list[Fault], count: int) -> None:
        first = "; ".join(str(fault).rstrip(".") for fault in faults[:3])
        more = f"; and {count - 3} more" if count > 3 else ""
        lines = "1 line" if count == 1 else f"{count} lines"
        super().__init__(
            "file", f"{lines} can't be read, nothing was stored. {first}{more}.",
            code="bad_statement",
        )  # fmt: skip
        self.faults = faults
        self.count = count


@dataclass(frozen=True, slots=True)
class ReadLine:
    """One movement. `amount` is positive; `number` tells lines apart that are alike."""

    receipt: str
    at: datetime
    direction: str
    kind: str
    amount: Decimal
    currency: str
    status: str
    is_completed: bool
    details: str
    party: str
    reference: str
    linked: str
    balance: Decimal | None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look through the whole file found."""

    lines: int
    short_code: str
    first: datetime
    last: datetime
    period: tuple[datetime, datetime] | None
    # Which of the short code's accounts is listed; "" for all.
    account: str = ""


def survey(file: IO[bytes]) -> Survey:
    """Read everything once and judge it; raises BadStatement and InvalidInput (field file)."""
    with _opened(file) as sheet:
        faults: list[Fault] = []
        count = bad = 0
        first = last = None
        for found in _read(sheet):
            if isinstance(found, Fault):
                bad += 1
                faults += [found] if len(faults) < FAULTS_TOLD else []
                continue
            count += 1
            first = found.at if first is None or found.at < first else first
            last = found.at if last is None or found.at > last else last
        if bad:
            raise BadStatement(faults, bad)
        period = sheet.period
        if first is None or last is None:
            if period is None:
                raise InvalidInput("file", "has no lines below its heading.", code="bad_statement")
            first, last = period
        if period and not (period[0] <= first and last <= period[1]):
            raise InvalidInput(
                "file", "has lines outside of the period that its head names.",
                code="bad_statement",
            )  # fmt: skip
        return Survey(count, sheet.short_code, first, last, period, sheet.account)


def read_lines(file: IO[bytes]) -> Iterator[ReadLine]:
    """The lines of a file that `survey` has found good."""
    with _opened(file) as sheet:
        for found in _read(sheet):
            if isinstance(found, Fault):
                raise BadStatement([found], 1)
            yield found


class _opened:  # noqa: N801 - a context manager, used as a function
    """The sheet of a file, which is left open; NoStatement becomes InvalidInput."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __enter__(self) -> Sheet:
        try:
            self._sheet = read_sheet(cast("IO[bytes]", _Borrowed(self._file)))
        except NoStatement as error:
            raise InvalidInput("file", f"{error}.", code="bad_statement") from None
        return self._sheet

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, NoStatement):
            raise InvalidInput("file", f"{error}.", code="bad_statement") from None


class _Borrowed(io.RawIOBase):
    """A file that the text layer may close without closing the caller's."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def read1(self, size: int = -1) -> bytes:
        return self._file.read(size)


def _read(sheet: Sheet) -> Iterator[ReadLine | Fault]:
    seen: Counter[int] = Counter()
    count = 0
    for number, row in sheet.rows:
        cells = _Cells(sheet.columns, row)
        if cells.is_no_row():
            continue
        count += 1
        if count > MAX_LINES:
            raise NoStatement(f"has more than {MAX_LINES:,} lines; import it in parts")
        try:
            found = _line(cells)
        except ValueError as error:
            yield Fault(number, str(error))
            continue
        if found is None:
            continue
        key = hash((found.receipt, found.direction, found.kind, found.amount))
        seen[key] += 1
        yield _numbered(found, seen[key] - 1)


def _numbered(line: ReadLine, number: int) -> ReadLine:
    if not number:
        return line
    values = {name: getattr(line, name) for name in ReadLine.__slots__}
    return ReadLine(**{**values, "number": number})


class _Cells:
    """One row by the names of its columns."""

    def __init__(self, columns: dict[str, int], row: list[str]) -> None:
        self._columns = columns
        self._row = row

    def get(self, name: str) -> str:
        place = self._columns.get(name)
        return self._row[place].strip() if place is not None and place < len(self._row) else ""

    def is_no_row(self) -> bool:
        """An empty row, a total or a foot note: no receipt, no instant."""
        if not any(cell.strip() for cell in self._row):
            return True
        first = next(cell.strip() for cell in self._row if cell.strip())
        return bool(_NO_ROW.match(first.lower())) and not self.get("completed")


def _line(cells: _Cells) -> ReadLine | None:
    """The line of a row, None where it moved nothing; ValueError says why it can't be read."""
    receipt = plain(cells.get("receipt"))
    if not _RECEIPT.fullmatch(receipt) or not receipt.isascii():
        raise ValueError(f"Receipt No. {receipt[:40]!r} is no receipt number")
    at = _named("Completion Time", parse_moment, cells.get("completed") or cells.get("initiated"))
    status = cut(cells.get("status"), 40)
    if not status:
        raise ValueError("Transaction Status is empty")
    amount = _signed(cells)
    if amount == 0:
        return None
    details = cut(cells.get("details"), 300)
    told = read_details(
        details,
        reason=cells.get("reason"),
        party=cut(cells.get("party"), 160),
        account=cut(cells.get("account"), 64),
        linked=cut(cells.get("linked"), 100),
    )
    balance = None
    with suppress(ValueError):
        balance = parse_sum(cells.get("balance"))
    return ReadLine(
        receipt=receipt.upper(),
        at=at,
        direction=Direction.IN.value if amount > 0 else Direction.OUT.value,
        kind=told.kind.value,
        amount=abs(amount),
        currency=_currency(cells.get("currency")),
        status=status,
        is_completed=status.lower() in COMPLETED,
        details=details,
        party=cut(told.party, 160),
        reference=cut(told.reference, 64),
        linked=cut(told.linked, 100),
        balance=balance,
    )


def _named(name: str, parse: object, cell: str) -> datetime:
    try:
        found: datetime = parse(cell)  # type: ignore[operator]
        return found
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _signed(cells: _Cells) -> Decimal:
    """Positive for Paid In, negative for Withdrawn, which some files write with a minus."""
    sums = {}
    for column, name in (("paid_in", "Paid In"), ("withdrawn", "Withdrawn")):
        try:
            sums[column] = parse_sum(cells.get(column))
        except ValueError as error:
            raise ValueError(f"{name} {error}") from None
    paid_in, withdrawn = sums["paid_in"], sums["withdrawn"]
    if paid_in is None and withdrawn is None:
        raise ValueError("Paid In and Withdrawn are both empty")
    if paid_in and withdrawn:
        raise ValueError("Paid In and Withdrawn are both filled in")
    if paid_in and paid_in < 0:
        raise ValueError("Paid In is negative")
    return paid_in or -abs(withdrawn or Decimal(0))


def _currency(cell: str) -> str:
    code = plain(cell).upper()
    return code if len(code) == 3 and code.isalpha() and code.isascii() else "KES"
