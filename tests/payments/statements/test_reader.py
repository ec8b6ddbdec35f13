"""The organisation statement as files have it: tolerant of layout, strict about every row."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.exceptions import InvalidInput
from integrations.payments.statements import reader
from integrations.payments.statements.cells import parse_moment, parse_sum
from integrations.payments.statements.details import read_details
from integrations.payments.statements.party import fits_phone, number_in
from integrations.payments.statements.reader import BadStatement, read_lines, survey
from tests.payments.statements.sheets import HEADING, charge, paid_out, row, sheet

AT = datetime(2026, 1, 14, 6, 30, 21, tzinfo=UTC)


def only(file: io.BytesIO) -> Any:
    survey(file)
    [line] = read_lines(file)
    return line


def test_a_line_has_every_fact_of_its_row() -> None:
    line = only(sheet(row("uae4x7k2qp")))
    assert (line.receipt, line.at, line.amount) == ("UAE4X7K2QP", AT, Decimal("150.00"))
    assert (line.direction, line.kind, line.is_completed) == ("in", "payment", True)
    assert (line.reference, line.party) == ("INV001", "254712345678 - JANE DOE")
    assert line.balance == Decimal("1150.00")


def test_the_head_tells_account_and_period() -> None:
    found = survey(sheet(row("UAE4X7K2QP")))
    assert (found.short_code, found.lines) == ("174379", 1)
    assert found.period is not None
    assert [f"{each:%H:%M:%S}" for each in found.period] == ["00:00:00", "23:59:59"]


def test_a_file_without_a_head_has_the_period_of_its_lines() -> None:
    found = survey(sheet(row("UAE4X7K2QP"), short_code="", period=None))
    assert (found.short_code, found.period) == ("", None)
    assert found.first == found.last == AT


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_encodings_and_separators(encoding: str, separator: str) -> None:
    file = sheet(row("UAE4X7K2QP", party="254712345678 - ZOË"), encoding=encoding,
                 separator=separator)  # fmt: skip
    line = only(file)
    assert (line.amount, line.party) == (Decimal("150.00"), "254712345678 - ZOË")


@pytest.mark.parametrize(
    "text",
    ["2026-01-14 09:30:21", "14-01-2026 09:30:21", "14/01/2026 09:30:21", "14/1/2026 9:30:21",
     "14.01.2026 09:30:21", "2026-01-14T09:30:21", "14/01/2026 09:30:21 AM",
     "2026-01-14 09:30:21.000"],
)  # fmt: skip
def test_layouts_of_instants(text: str) -> None:
    assert parse_moment(text) == AT


def test_a_minute_is_enough() -> None:
    assert parse_moment("14/1/2026 9:30") == AT.replace(second=0)
    assert parse_moment("14/1/2026 9:30 pm").astimezone(UTC).hour == 18


@pytest.mark.parametrize(
    "text", ["", "14-01-26 09:30", "2026-02-30 10:00", "2026-01-14", "46036.39", "31/31/2026 1:00",
             "2026-01-14 25:00", "14/1/2026 13:30 PM"],
)  # fmt: skip
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_moment(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("150", "150"), ("1,234,567.89", "1234567.89"), ("1 234.50", "1234.50"), ("-500.00", "-500"),
     ("(500.00)", "-500"), ("KES 1,000.00", "1000"), ("500,00", "500"), ("1.234,50", "1234.50"),
     ("1,234", "1234"), ('="150.00"', "150"), ("+7.5", "7.5")],
)  # fmt: skip
def test_layouts_of_sums(text: str, amount: str) -> None:
    assert parse_sum(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["1.234", "12,34,567", "1,23.4", "1e5", "٣٠", "NaN", "one", "1.2.3", "1,2345",
             "9999999999999"],
)  # fmt: skip
def test_what_is_no_sum(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_sum(text)


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_every_sum_is_read_back_exactly(amount: Decimal) -> None:
    for text in (f"{amount}", f"{amount:,}", f"KES {amount:,}"):
        assert parse_sum(text) == amount
    assert parse_sum(f"-{amount:,}") == -amount


@given(st.text(max_size=40))
def test_no_text_breaks_the_cells(text: str) -> None:
    for parse in (parse_sum, parse_moment):
        try:
            parse(text)
        except ValueError as error:
            assert len(str(error)) < 200


@given(st.datetimes(min_value=datetime(2015, 1, 1), max_value=datetime(2040, 1, 1)))
def test_every_instant_is_read_back(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    for layout in ("%Y-%m-%d %H:%M:%S", "%d-%m-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S"):
        assert parse_moment(moment.strftime(layout)).replace(tzinfo=None) == moment


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Z][A-Z0-9]{9}", fullmatch=True),
            st.integers(min_value=1, max_value=10**9),
            st.booleans(),
        ),
        min_size=1, max_size=20,
    ),
    st.permutations(HEADING),
    st.sampled_from([",", ";"]),
)  # fmt: skip
def test_any_order_of_columns_gives_the_same_lines(
    rows: list[tuple[str, int, bool]], heading: list[str], separator: str
) -> None:
    made = [
        row(receipt, paid_in=f"{cents / 100:,.2f}") if is_in
        else paid_out(receipt, f"{cents / 100:,.2f}")
        for receipt, cents, is_in in rows
    ]  # fmt: skip
    file = sheet(*made, heading=[name.upper() for name in heading], separator=separator)
    # Headings in capitals, values under them.
    file = sheet(
        *({name.upper(): value for name, value in each.items()} for each in made),
        heading=[name.upper() for name in heading], separator=separator,
    )  # fmt: skip
    survey(file)
    got = [(line.receipt, line.amount, line.direction) for line in read_lines(file)]
    assert got == [
        (receipt, Decimal(cents) / 100, "in" if is_in else "out") for receipt, cents, is_in in rows
    ]


def test_a_payment_and_its_charge_are_two_lines_of_one_receipt() -> None:
    file = sheet(paid_out("UAE0000001", "500.00"), charge("UAE0000001", "9.00"))
    survey(file)
    told = [(line.kind, line.direction, line.amount) for line in read_lines(file)]
    assert told == [("payment", "out", Decimal(500)), ("charge", "out", Decimal(9))]


def test_lines_that_are_alike_are_numbered() -> None:
    file = sheet(charge("UAE0000001", "9.00"), charge("UAE0000001", "9.00"))
    survey(file)
    assert [line.number for line in read_lines(file)] == [0, 1]


def test_totals_notes_and_empty_rows_are_no_lines() -> None:
    total = {"Receipt No.": "Total", "Paid In": "150.00"}
    note = {"Receipt No.": "Disclaimer: this record is for your information"}
    file = sheet({}, row("UAE4X7K2QP"), {}, total, note)
    assert survey(file).lines == 1


def test_every_bad_row_is_named_with_its_number() -> None:
    file = sheet(
        row("UAE4X7K2QP"),
        row("1.23E+10"),
        row("UAE4X7K2QR", at="yesterday"),
        row("UAE4X7K2QS", paid_in="", withdrawn=""),
        row("UAE4X7K2QT", withdrawn="-5.00"),
        row("UAE4X7K2QU", status=""),
        row("UAE4X7K2QV", paid_in="-150.00"),
        row("UAE4X7K2QW", paid_in="1.2.3"),
    )
    with pytest.raises(BadStatement) as caught:
        survey(file)
    assert [fault.line for fault in caught.value.faults] == [6, 7, 8, 9, 10, 11, 12]
    words = " ".join(fault.reason for fault in caught.value.faults)
    for part in ("receipt number", "Completion Time", "both empty", "both filled in",
                 "Transaction Status is empty", "negative", "Paid In"):  # fmt: skip
        assert part in words
    assert "7 lines can't be read, nothing was stored" in caught.value.message
    assert caught.value.code == "bad_statement"


def test_of_very_many_bad_rows_the_first_hundred_are_told() -> None:
    file = sheet(*(row("x") for _ in range(150)))
    with pytest.raises(BadStatement) as caught:
        survey(file)
    assert (len(caught.value.faults), caught.value.count) == (100, 150)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no heading"),
        (b"a,b,c\n1,2,3\n", "no heading"),
        (b"PK\x03\x04" + b"x" * 50, "spreadsheet"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 50, "spreadsheet"),
        (b"\xff\xff\xff\n", "no heading"),
        (b"\xff\xfe" + b"\x00\xd8" * 9, "not text"),
        (sheet().getvalue(), None),
        (sheet(row("UAE4X7K2QP", at="2026-01-15 10:00:00")).getvalue(), "outside of the period"),
        (sheet(period=None).getvalue(), "no lines"),
    ],
)
def test_files_that_are_no_statements(content: bytes, reason: str | None) -> None:
    file = io.BytesIO(content)
    if reason is None:
        assert survey(file).lines == 0  # A day without a movement is a statement.
        return
    with pytest.raises(InvalidInput, match=reason) as caught:
        survey(file)
    assert caught.value.code == "bad_statement"


def test_a_name_in_another_encoding_costs_its_letters_only() -> None:
    file = sheet(row("UAE4X7K2QP", party="254712345678 - JOSÉ"), encoding="cp1252")
    assert only(file).party == "254712345678 - JOS\ufffd"


def test_what_a_payer_wrote_can_not_turn_the_text_around_it() -> None:
    hostile = "INV\u202e100\u200b"
    told = {"account": hostile, "party": f"254712345678 - {hostile}", "details": hostile}
    line = only(sheet(row("UAE0000001", **told)))
    assert (line.reference, line.party) == ("INV100", "254712345678 - INV100")
    assert line.details.isprintable()


def test_a_file_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_LINES", 2)
    with pytest.raises(InvalidInput, match="import it in parts"):
        survey(sheet(*(row(f"UAE000000{n}") for n in range(3))))


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    for start in (b"", sheet().getvalue()):
        file = io.BytesIO(start + content)
        try:
            survey(file)
        except InvalidInput as error:
            assert error.field == "file"


def test_an_account_that_speaks_of_fees_makes_no_charge() -> None:
    told = read_details("Pay Bill from 254712345678 - MR CHARGE Acc. school fee")
    assert (told.kind, told.reference) == ("payment", "school fee")
    assert told.party == "254712345678 - MR CHARGE"
    assert read_details("Pay Bill Charge").kind == "charge"
    assert read_details("x", reason="Pay merchant Charge").kind == "charge"


def test_details_name_the_request_and_the_original() -> None:
    told = read_details(
        "Business Payment to 254712345678 - JANE via API. Original conversation ID is bengo-7d0c-1."
    )
    assert (told.linked, told.party) == ("bengo-7d0c-1", "254712345678 - JANE")
    assert read_details("Reversal. Original Transaction ID is UAE4X7K2QP").linked == "UAE4X7K2QP"


@pytest.mark.parametrize(
    ("party", "fits"),
    [("254712345678 - JANE", True), ("0712345678", True), ("254799999999 - JANE", False),
     ("2547 ***** 678 - JANE", True), ("2547*****999", False), ("JANE", None), ("", None)],
)  # fmt: skip
def test_whether_a_party_has_a_phone(party: str, fits: bool | None) -> None:
    assert fits_phone(party, "254712345678") is fits
    assert number_in("no number") == ""
