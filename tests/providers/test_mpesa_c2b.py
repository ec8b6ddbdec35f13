"""Customers' own payments: hostile texts, masked and hashed numbers, pulled rows."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.exceptions import InvalidInput
from integrations.providers.mpesa.callbacks import (
    Party,
    msisdn_matches,
    parse_c2b,
    parse_pulled,
    split_party,
)
from integrations.providers.mpesa.payloads import NAIROBI
from tests.providers.test_mpesa_callback_parser import json_values, raw
from tests.sandbox.wire import FOLDER, load_wire

C2B = [path.stem for path in sorted(FOLDER.glob("c2b_*.json")) if "MSISDN" in path.read_text()]
MOMENT = datetime(2026, 1, 14, 9, 30, 21, tzinfo=NAIROBI)
PHONE = "254712000001"


def body(**changes: Any) -> bytes:
    return raw({**load_wire("c2b_confirmation")["body"], **changes})


@pytest.mark.parametrize("name", C2B)
def test_every_recorded_transaction_is_understood(name: str) -> None:
    wire = load_wire(name)["body"]
    told = parse_c2b(raw(wire))
    assert (told.receipt, told.amount, told.at) == ("UAE4X7K2QP", Decimal(150), MOMENT)
    assert (told.short_code, told.kind) == (wire["BusinessShortCode"], wire["TransactionType"])
    assert told.bill_ref == wire["BillRefNumber"].strip()[:64]
    assert (told.msisdn, told.third_party_id) == (wire["MSISDN"], wire["ThirdPartyTransID"])
    assert msisdn_matches(told.msisdn, "0712000001") is True
    assert msisdn_matches(told.msisdn, "0713000002") is False


def test_a_validation_has_no_balance_and_a_confirmation_has() -> None:
    assert parse_c2b(raw(load_wire("c2b_validation")["body"])).balance is None
    assert parse_c2b(body()).balance == Decimal(4250)


def test_names_are_joined() -> None:
    assert parse_c2b(body(MiddleName="W. ", LastName=" DOE")).name == "JANE W. DOE"
    assert parse_c2b(body()).name == "JANE"
    assert parse_c2b(body(FirstName=None)).name == ""


@pytest.mark.parametrize(
    "typed",
    [
        "<script>alert(1)</script>",
        "=HYPERLINK(1)",
        "'; DROP TABLE",
        "+254 712",
        "\u202eevil",
        "ünïcödé",
        "a\nb",
    ],
)
def test_what_the_payer_typed_stays_text(typed: str) -> None:
    assert parse_c2b(body(BillRefNumber=typed)).bill_ref == typed


def test_what_the_payer_typed_is_made_fit_for_the_database() -> None:
    told = parse_c2b(body(BillRefNumber="a\x00b" + "x" * 10_240, MSISDN="\x00" * 5))
    assert told.bill_ref.startswith("abxx")
    assert len(told.bill_ref) == 64
    assert told.msisdn == ""
    surrogate = body().replace(b'"INV001"', b'"a\\ud800b"')
    assert parse_c2b(surrogate).bill_ref == "a?b"
    latin = body(FirstName="JOS__").replace(b"JOS__", b"JOS\xc9")
    assert parse_c2b(latin).name.startswith("JOS")


def test_numbers_instead_of_texts_are_taken() -> None:
    told = parse_c2b(
        body(TransAmount=150, BusinessShortCode=600999, MSISDN=254712000001, BillRefNumber=7)
    )
    assert (told.amount, told.short_code, told.bill_ref) == (Decimal(150), "600999", "7")
    assert msisdn_matches(told.msisdn, PHONE) is True


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"TransID": ""}, "TransID"),
        ({"TransID": None}, "TransID"),
        ({"TransID": "a b; c"}, "TransID"),
        ({"TransID": {"a": 1}}, "TransID"),
        ({"BusinessShortCode": ""}, "BusinessShortCode"),
        ({"BusinessShortCode": True}, "BusinessShortCode"),
        ({"TransAmount": None}, "TransAmount"),
        ({"TransAmount": ""}, "TransAmount"),
        ({"TransAmount": "1,000.00"}, "TransAmount"),
        ({"TransAmount": "0.00"}, "TransAmount"),
        ({"TransAmount": "-5"}, "TransAmount"),
        ({"TransAmount": "1.005"}, "TransAmount"),
        ({"TransAmount": True}, "TransAmount"),
    ],
)
def test_a_transaction_without_its_parts_names_them(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_c2b(body(**changes))
    assert caught.value.field == field


def test_a_time_that_can_t_be_read_does_not_cost_the_payment() -> None:
    assert parse_c2b(body(TransTime="yesterday")).at is None


@given(st.dictionaries(st.sampled_from(list(load_wire("c2b_confirmation")["body"])), json_values))
def test_any_shape_is_a_transaction_or_refused(changes: dict[str, Any]) -> None:
    inner = {**load_wire("c2b_confirmation")["body"], **changes}
    try:
        told = parse_c2b(json.dumps(inner).encode())
    except InvalidInput as error:
        assert error.field
        return
    assert told.amount > 0
    assert isinstance(told.amount, Decimal)
    assert told.receipt
    assert len(told.name) <= 120


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("told", "matches"),
    [
        (PHONE, True),
        (254712000001, True),
        ("+254712000001", True),
        ("0712000001", True),
        ("254712000002", False),
        ("2547 ***** 001", True),
        ("2547 ***** 126", False),
        ("25471****001", True),
        ("25470****149", False),
        ("2547******01", None),
        ("2547********", None),
        ("*********001", None),
        ("********0001", True),
        ("0712***001", True),
        ("+2547*****001", True),
        ("2547*01", None),
        ("2547***999", False),
        ("************", None),
        ("254712000001***", None),
        (digest(PHONE), True),
        (digest(PHONE).upper(), True),
        (digest("+" + PHONE), True),
        (digest("0712000001"), True),
        (digest("254712000002"), False),
        ("", None),
        (None, None),
        ("hidden", None),
        ([], None),
        (True, None),
        ("12", None),
    ],
)
def test_a_told_number_is_compared_with_a_phone(told: Any, matches: bool | None) -> None:
    assert msisdn_matches(told, "0712 000 001") is matches


@pytest.mark.parametrize("phone", ["", None, "12", "+14155552671", True])
def test_nothing_is_said_of_a_phone_that_is_none(phone: Any) -> None:
    assert msisdn_matches(digest(PHONE), phone) is None


@given(st.text(max_size=80), st.integers(700_000_000, 799_999_999))
def test_any_text_is_compared(told: str, national: int) -> None:
    assert msisdn_matches(told, f"0{national}") in (True, False, None)


@given(st.integers(700_000_000, 799_999_999), st.integers(700_000_000, 799_999_999))
def test_masks_and_digests_tell_phones_apart(one: int, other: int) -> None:
    own = f"254{one}"
    shown = f"{own[:4]} ***** {own[-3:]}"
    assert msisdn_matches(shown, own) is True
    assert msisdn_matches(shown, f"254{other}") is (str(one)[-3:] == str(other)[-3:])
    assert msisdn_matches(digest(own), f"0{other}") is (one == other)


@pytest.mark.parametrize(
    ("text", "party"),
    [
        ("254712000001 - JANE DOE", Party("254712000001", "JANE DOE")),
        ("254712000001-JANE  DOE", Party("254712000001", "JANE DOE")),
        ("2547 ***** 001 - JANE", Party("2547 ***** 001", "JANE")),
        ("600999 - Shop - Nairobi", Party("600999", "Shop - Nairobi")),
        ("254712000001", Party("254712000001", "")),
        ("254712000001 - ", Party("254712000001", "")),
        ("JANE DOE", Party("", "JANE DOE")),
        ("Smith-Jones", Party("", "Smith-Jones")),
        ("", Party()),
        (None, Party()),
        ({}, Party()),
    ],
)
def test_a_party_is_split_into_number_and_name(text: Any, party: Party) -> None:
    assert split_party(text) == party


@given(st.text(max_size=300))
def test_any_party_is_split(text: str) -> None:
    party = split_party(text)
    assert len(party.number) <= 80
    assert len(party.name) <= 120


@pytest.mark.parametrize("name", ["pull_answer", "pull_answer_plain_dates"])
def test_pulled_rows_are_read_from_a_list_in_a_list(name: str) -> None:
    rows, count, wrong = parse_pulled(load_wire(name)["body"]["Response"])
    assert (count, wrong) == (1, ())
    assert (rows[0].receipt, rows[0].amount) == ("UAE4X7K2QP", Decimal(150))
    assert (rows[0].bill_ref, rows[0].at) == ("INV001", MOMENT)
    assert (rows[0].kind, rows[0].sender) == ("c2b-pay-bill-debit", "JANE DOE")
    assert rows[0].organization == "SANDBOX SCHOOL"


def test_a_pulled_row_may_have_numbers_and_lack_its_sender() -> None:
    row = {"transactionId": "UAE4X7K2QQ", "trxDate": 20260114093021, "msisdn": 254712000002}
    rows, _count, wrong = parse_pulled([{**row, "amount": 99}])
    assert wrong == ()
    assert (rows[0].amount, rows[0].msisdn, rows[0].sender) == (Decimal(99), "254712000002", "")
    assert rows[0].at == MOMENT


def test_a_bad_row_is_named_and_does_not_cost_the_others() -> None:
    good = {"transactionId": "UAE4X7K2QP", "amount": "1.00"}
    rows, count, wrong = parse_pulled(
        [[good, {"amount": 1}, {"transactionId": "UAE4X7K2QQ", "amount": "x"}, good]]
    )
    assert (len(rows), count) == (2, 4)
    assert [text.partition(":")[0] for text in wrong] == ["row 2", "row 3"]
    assert "transactionId" in wrong[0]
    assert "amount" in wrong[1]


@pytest.mark.parametrize("response", [None, "", [], [[]], {}, "x", 5, [[[[[{}]]]]]])
def test_no_rows_are_none(response: Any) -> None:
    assert parse_pulled(response)[0] == ()


@given(json_values)
def test_any_pulled_rows_are_read(response: Any) -> None:
    rows, count, wrong = parse_pulled(json.loads(json.dumps(response), parse_float=Decimal))
    assert len(rows) + len(wrong) == count
