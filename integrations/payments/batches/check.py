"""Every row of a payout file is checked before anything is stored, and every fault is told."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import IO, NamedTuple

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput
from integrations.payments.batches.columns import Row, bad_file, read_table
from integrations.payments.payouts import check_reference
from integrations.payments.statements.cells import parse_sum
from integrations.phone import mask_phone
from integrations.providers.mpesa.payloads import Payout, check_payout

MAX_ROWS = 20_000
# Faults and repeats that are told one by one; of more, only how many.
TOLD = 200
NAME_LENGTH = 120
_DAMAGED = re.compile(r"\d+[.,]\d+[eE]\+?\d+")


class Fault(NamedTuple):
    """What is wrong with one field of one line, in words."""

    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"Line {self.line}, {self.field}: {self.reason}"


class Repeat(NamedTuple):
    """A phone that stands in the file more than once; `first` is the line of its first time."""

    line: int
    first: int
    phone: str

    def __str__(self) -> str:
        return f"Line {self.line} pays {self.phone} again, as line {self.first} does."


@dataclass(frozen=True, slots=True)
class GoodRow:
    """One checked row."""

    line: int
    payout: Payout
    reference: str
    name: str


@dataclass(slots=True)
class Report:
    """What a look through the whole file found."""

    count: int = 0
    total: int = 0
    largest: int = 0
    digest: str = ""
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    repeats: list[Repeat] = field(default_factory=list)
    repeat_count: int = 0
    ignored: list[str] = field(default_factory=list)


class BadPayoutFile(InvalidInput):
    """The file was refused and nothing of it stored; `report.faults` names each fault."""

    def __init__(self, report: Report) -> None:
        count = report.fault_count
        first = " ".join(str(fault) for fault in report.faults[:3])
        more = f" And {count - 3:,} more." if count > 3 else ""
        faults = "1 fault" if count == 1 else f"{count:,} faults"
        super().__init__(
            "file", f"has {faults}; nothing was stored. {first}{more}", code="bad_payout_file"
        )
        self.report = report


@dataclass(frozen=True, slots=True)
class Rules:
    """By what the rows are checked: the account's settings, and what holds for the whole file."""

    config: Snapshot
    command: object
    remarks: object
    occasion: object

    @property
    def samples(self) -> dict[str, object]:
        """A good value of each field of a row."""
        least = self.config.values["payout_minimum"]
        return {"phone": "0712345678", "amount": str(least), "remarks": "Payout"}

    def require_good(self) -> None:
        """Raise InvalidInput naming what is wrong for the whole file: command, remarks, occasion.

        Raises it too where the account's own limits leave no amount.
        """
        values = {**self.samples, "remarks": self.remarks}
        _payout_of(values, self)


def survey(file: IO[bytes], rules: Rules) -> Report:
    """Read everything once and judge it. What it found is in the report, faults too.

    Memory stays flat but for one number for each phone. Raises InvalidInput (field file) for a
    file that can't be read at all, and for one of more than MAX_ROWS rows.
    """
    table = read_table(file)
    report = Report(ignored=table.ignored)
    digest = RowDigest()
    first_lines: dict[str, int] = {}
    for row in table.rows:
        report.count += 1
        if report.count > MAX_ROWS:
            raise bad_file(f"has more than {MAX_ROWS:,} rows; pay it in parts.")
        good = _judge(row, rules, report)
        if good is not None:
            _take_in(good, report, first_lines)
            digest.add(good.payout.phone, good.payout.amount, good.reference, good.payout.remarks)
    if not report.count:
        raise bad_file("has no rows below its heading.")
    report.digest = digest.text()
    return report


def read_rows(file: IO[bytes], rules: Rules) -> Iterator[GoodRow]:
    """The rows of a file that `survey` has found good; raises BadPayoutFile where one is not."""
    for row in read_table(file).rows:
        report = Report()
        good = _judge(row, rules, report)
        if good is None:
            raise BadPayoutFile(report)
        yield good


class RowDigest:
    """What stands for the rows, in their order, whatever the columns' names and order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, phone: str, amount: Decimal | int, reference: str, remarks: str) -> None:
        """Take in one more row."""
        told = "\x1f".join((phone, f"{int(amount)}", reference, remarks))
        self._hash.update(told.encode("utf-8", "surrogatepass") + b"\x1e")

    def text(self) -> str:
        """The digest of all that was added."""
        return self._hash.hexdigest()


def _take_in(good: GoodRow, report: Report, first_lines: dict[str, int]) -> None:
    phone, amount = good.payout.phone, good.payout.amount
    report.total += amount
    report.largest = max(report.largest, amount)
    first = first_lines.setdefault(phone, good.line)
    if first != good.line:
        report.repeat_count += 1
        if len(report.repeats) < TOLD:
            report.repeats.append(Repeat(good.line, first, mask_phone(phone)))


def _judge(row: Row, rules: Rules, report: Report) -> GoodRow | None:
    """The checked row, or None with its faults in the report: one for each field."""
    faults: list[Fault] = []
    reference, name, payout = row.reference, row.name, None
    try:
        reference = check_reference(row.reference)
    except InvalidInput as error:
        faults.append(Fault(row.line, error.field, error.reason))
    if len(name) > NAME_LENGTH or not (name.isprintable() or not name):
        reason = f"must have at most {NAME_LENGTH} printable characters."
        faults.append(Fault(row.line, "name", reason))
    values = {"phone": row.phone, "amount": row.amount, "remarks": row.remarks or rules.remarks}
    while payout is None:
        try:
            payout = _payout_of(values, rules)
        except InvalidInput as error:
            faults.append(Fault(row.line, error.field, error.reason))
            # Look at the other fields as if this one were good, so that all faults are told.
            values[error.field] = rules.samples[error.field]
    report.fault_count += len(faults)
    report.faults += faults[: max(0, TOLD - len(report.faults))]
    return None if faults else GoodRow(row.line, payout, reference, name)


def _payout_of(values: dict[str, object], rules: Rules) -> Payout:
    _refuse_damaged(str(values["phone"]))
    try:
        amount = parse_sum(str(values["amount"]))
    except ValueError as error:
        raise InvalidInput("amount", f"{error}.") from None
    if amount is None:
        raise InvalidInput("amount", "is missing.")
    return check_payout(
        rules.config, phone=values["phone"], amount=amount, command=rules.command,
        remarks=values["remarks"], occasion=rules.occasion,
    )  # fmt: skip


def _refuse_damaged(phone: str) -> None:
    if not phone:
        raise InvalidInput("phone", "is missing.", code="invalid_phone")
    if _DAMAGED.fullmatch(phone):
        raise InvalidInput(
            "phone",
            f"{phone[:20]} was cut by the spreadsheet. Make the column text, and type it again.",
            code="invalid_phone",
        )
