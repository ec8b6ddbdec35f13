"""Reading payout files: every fault told, nothing stored, whatever spreadsheets make of a file."""

from __future__ import annotations

import csv
import io
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.exceptions import InvalidInput
from integrations.models import MpesaSettings, Payment, PayoutBatch
from integrations.payments.batches import check
from integrations.payments.batches.check import Rules, read_rows, survey
from integrations.payments.batches.columns import read_table
from integrations.payments.batches.open import BatchRequest, check_file, rules_of
from tests.payments.batches.conftest import HEADING, file_of, pay, text_of


def rules(**values: Any) -> Rules:
    return rules_of(BatchRequest(file_of(""), **values))


def nothing_is_stored() -> bool:
    return not Payment.objects.exists() and not PayoutBatch.objects.exists()


def test_a_good_file_is_read_whole(paying: MpesaSettings) -> None:
    report = check_file(BatchRequest(file_of(text_of(20, amount=1000))))
    assert (report.count, report.fault_count, report.repeat_count) == (20, 0, 0)
    assert report.total == sum(1000 + number % 7 for number in range(20))
    assert report.largest == 1006
    [first, *_] = read_rows(file_of(text_of(20)), rules())
    assert (first.line, first.payout.phone, first.payout.amount) == (2, "254712000000", 100)
    assert (first.reference, first.payout.remarks, first.name) == (
        "SAL-00000", "Salary May", "Person 0",
    )  # fmt: skip


@pytest.mark.parametrize(
    "heading",
    [
        "Phone Number;AMOUNT (KES);Ref.",
        "msisdn;Amount;Payroll No.",
        "MOBILE-NO;net pay;Account Reference",
        '"phone";"amount";"reference"',
        "\ufeffPhone;Amount;Reference",
        "\n\nPhone;Amount;Reference",
    ],
)
def test_columns_may_be_called_many_things(paying: MpesaSettings, heading: str) -> None:
    report = check_file(BatchRequest(file_of(f"{heading}\n0712345678;1,500.00;A1\n")))
    assert (report.count, report.total, report.faults) == (1, 1500, [])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_any_spreadsheets_csv_is_read(
    paying: MpesaSettings, separator: str, encoding: str, ends: str
) -> None:
    rows = [["phone", "amount", "reference", "name"], ["0712345678", "1500", "A1", "Wanjikũ"]]
    text = ends.join(separator.join(row) for row in rows) + ends
    [row] = read_rows(io.BytesIO(text.encode(encoding)), rules())
    assert (row.payout.phone, row.payout.amount, row.name) == ("254712345678", 1500, "Wanjikũ")


@pytest.mark.parametrize(
    ("cell", "amount"),
    [("1500", 1500), ("1,500", 1500), ("1,500.00", 1500), ("KES 1500", 1500), ("Ksh. 20", 20),
     ('="1500"', 1500), ("'1500", 1500), (" 1500 ", 1500)],
)  # fmt: skip
def test_amounts_as_people_write_them(paying: MpesaSettings, cell: str, amount: int) -> None:
    line = io.StringIO()
    csv.writer(line).writerow(["0712345678", cell, "A1"])
    [row] = read_rows(file_of(f"phone,amount,reference\n{line.getvalue()}"), rules())
    assert row.payout.amount == amount


@pytest.mark.parametrize(
    ("row", "faults"),
    [
        ("12,100,A1", {"phone"}),
        (",100,A1", {"phone"}),
        ("2.54713E+11,100,A1", {"phone"}),
        ("0712345678,,A1", {"amount"}),
        ("0712345678,ten,A1", {"amount"}),
        ("0712345678,100.50,A1", {"amount"}),
        ("0712345678,-100,A1", {"amount"}),
        ("0712345678,0,A1", {"amount"}),
        ("0712345678,1.500,A1", {"amount"}),
        ("0712345678,9,A1", {"amount"}),
        ("0712345678,250001,A1", {"amount"}),
        ("0712345678,100,", {"reference"}),
        ("0712345678,100," + "x" * 65, {"reference"}),
        ("0712345678,100,A1,x", {"remarks"}),
        ("0712345678,100,A1," + "x" * 101, {"remarks"}),
        ("0712345678,100,A1,Pay," + "x" * 121, {"name"}),
        ("0712345678,100,A1,Pay,hid\u200bden", {"name"}),
        ("12,ten,,x," + "x" * 121, {"phone", "amount", "reference", "remarks", "name"}),
        ("12", {"phone", "amount", "reference"}),
    ],
)
def test_every_fault_of_a_row_is_told_and_nothing_is_stored(
    paying: MpesaSettings, row: str, faults: set[str]
) -> None:
    success, message, data = pay(f"{HEADING}\n0712000001,100,A0\n{row}\n")
    assert not success
    assert (data["code"], data["field"], data["error_count"]) == (
        "bad_payout_file", "file", len(faults),
    )  # fmt: skip
    assert {fault["field"] for fault in data["errors"]} == faults
    assert {fault["line"] for fault in data["errors"]} == {3}
    assert all(fault["reason"] for fault in data["errors"])
    assert "nothing was stored" in message
    assert nothing_is_stored()


def test_of_many_faults_the_first_are_told_and_all_counted(paying: MpesaSettings) -> None:
    bad = "\n".join(f"12,ten,A{number}" for number in range(300))
    _, message, data = pay(f"{HEADING}\n{bad}\n")
    assert (len(data["errors"]), data["error_count"]) == (check.TOLD, 600)
    assert "And 597 more." in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"phone,amount,reference\n", "no rows"),
        (b"phone,amount,reference\n,,\n", "no rows"),
        (b"0712345678,100,A1\n", "must name its columns"),
        (b"phone,reference\n0712345678,A1\n", "must name its columns"),
        (b"phone,mobile,amount,reference\n1,2,3,4\n", "two columns for the phone"),
        (b"PK\x03\x04rest", "is a spreadsheet"),
        (b"phone,amount,reference,name\n0712345678,100,A1,Jos\xe9\n", "is no text in UTF-8"),
        (b'phone,amount,reference\n0712345678,100,"A1\n', "can't be split"),
        (b"phone,amount,reference\n" + b"x" * 6000, "more than 5,000 characters"),
    ],
)
def test_what_is_no_payout_file_is_refused_in_words(
    paying: MpesaSettings, content: bytes, words: str
) -> None:
    _, message, data = pay(content)
    assert data["code"] == "bad_payout_file"
    assert words in message
    assert nothing_is_stored()


def test_a_file_with_more_rows_than_the_limit_is_refused(
    paying: MpesaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "MAX_ROWS", 10)
    assert "more than 10 rows" in pay(text_of(11))[1]
    assert pay(text_of(10))[0]


@pytest.mark.parametrize(
    ("values", "field"),
    [({"command": "BusinessPayBill"}, "command"), ({"remarks": "x"}, "remarks"),
     ({"occasion": "x" * 101}, "occasion"), ({"name": "x" * 101}, "name"),
     ({"short_code": "999999"}, "")],
)  # fmt: skip
def test_what_is_wrong_for_all_rows_is_told_once(
    paying: MpesaSettings, values: dict[str, Any], field: str
) -> None:
    success, _, data = pay(text_of(3), **values)
    assert not success
    assert data.get("field", "") == field
    assert nothing_is_stored()


def test_columns_that_nobody_knows_are_named(paying: MpesaSettings) -> None:
    report = check_file(BatchRequest(file_of("phone,amount,reference,Bank\n0712345678,100,A1,x\n")))
    assert report.ignored == ["Bank"]


def test_twenty_thousand_rows_are_read_in_flat_memory(paying: MpesaSettings) -> None:
    file, judged = file_of(text_of(20_000)), rules()
    survey(file_of(text_of(100)), judged)
    tracemalloc.start()
    report = survey(file, judged)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.count == 20_000
    # A number for each phone, and no rows.
    assert peak < 8_000_000


cells = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=12
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(cells, max_size=6), max_size=6), st.sampled_from([",", ";", "\t"]))
def test_whatever_is_in_a_file_it_is_read_or_refused(
    paying: MpesaSettings, rows: list[list[str]], separator: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(["phone", "amount", "reference", "remarks", "name"])
    writer.writerows(rows)
    try:
        report = survey(file_of(text.getvalue().encode("utf-8")), rules())
    except InvalidInput as error:
        assert error.field == "file"
        return
    assert report.count >= 1
    good = report.count - len({fault.line for fault in report.faults})
    assert good >= 0 and (report.total > 0) == (good > 0)


def test_the_digest_is_of_what_the_rows_say(paying: MpesaSettings) -> None:
    def digest(text: str) -> str:
        return survey(file_of(text), rules()).digest

    same = digest("phone,amount,reference\n0712345678,1500,A1\n")
    assert digest("Ref;Amount;Mobile\nA1;1,500.00;+254 712 345 678\n") == same
    for other in ("0712345679,1500,A1", "0712345678,1501,A1", "0712345678,1500,A2"):
        assert digest(f"phone,amount,reference\n{other}\n") != same


def test_the_file_stays_open_and_is_read_from_its_beginning(paying: MpesaSettings) -> None:
    file = file_of(text_of(3))
    file.read(10)
    for _ in range(2):
        assert len(list(read_table(file).rows)) == 3
    assert not file.closed
    assert Decimal(survey(file, rules()).total) == 303
