"""Section 16: pulling what customers paid."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.daraja import EAT, Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import Office
from tests.sandbox.test_stk_push import travel_to_the_wire_files
from tests.sandbox.wire import assert_answer, load_wire


@pytest.fixture
def school(office: Office) -> Office:
    """The short code of the wire files."""
    office.shortcode = "600000"
    return office


def test_a_short_code_is_registered_once_and_again_does_no_harm(
    sandbox: SandboxDriver, school: Office
) -> None:
    wire = load_wire("pull_register_request")
    assert_answer(school.shop.post(wire["path"], wire["body"]), "pull_register_ack")
    assert_answer(school.shop.post(wire["path"], wire["body"]), "pull_register_known")
    assert [each["shortcode"] for each in sandbox.book()["pull"]] == ["600000"]


def test_the_key_is_seen_with_a_space(sandbox: SandboxDriver, school: Office) -> None:
    sandbox.settings(pull_status_key="Response Status")
    assert_answer(school.register_pull(), "pull_register_ack_spaced")


def test_the_request_of_the_wire_file(sandbox: SandboxDriver, school: Office) -> None:
    travel_to_the_wire_files(sandbox)
    school.register_pull()
    school.paid_receipt()
    wire = load_wire("pull_request")
    answer = school.shop.post(wire["path"], wire["body"])
    assert_answer(answer, "pull_answer")
    sandbox.settings(pull_date_form="plain")
    plain = school.shop.post(wire["path"], wire["body"])
    assert_answer(plain, "pull_answer_plain_dates")
    # The moments are one: three hours lie between UTC and Nairobi.
    ((row,),), ((other,),) = answer.json()["Response"], plain.json()["Response"]
    moment = datetime.strptime(other["trxDate"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=EAT)
    assert datetime.fromisoformat(row["trxDate"]) == moment


def test_none_is_1001(school: Office) -> None:
    school.register_pull()
    assert_answer(school.pull(), "pull_none")


def test_only_customers_payments_of_this_short_code_are_pulled(
    sandbox: SandboxDriver, office: Office
) -> None:
    office.shortcode = "174379"
    office.register_pull()
    receipts = [office.paid_receipt()]
    office.shop.push(PhoneNumber="254712000002")
    sandbox.settle()
    receipts.append(sandbox.prompts()[0]["receipt"])
    office.paid_receipt(shortcode="600999")
    office.result(office.b2c())
    office.result(office.reverse(receipts[0]))
    rows = office.pull().json()["Response"][0]
    assert [row["transactionId"] for row in rows] == receipts
    assert ["sender" in row for row in rows] == [True, False]


def test_pages_have_a_hundred_rows(sandbox: SandboxDriver, office: Office) -> None:
    office.register_pull()
    receipts = [sandbox.simulate_c2b()["receipt"] for _ in range(105)]
    sandbox.settle()
    first, second, third = (office.pull(OffSetValue=offset).json() for offset in (0, 100, "200"))
    assert [len(each["Response"][0]) for each in (first, second, third)] == [100, 5, 0]
    assert third["ResponseCode"] == "1001"
    pulled = [row["transactionId"] for page in (first, second) for row in page["Response"][0]]
    assert sorted(pulled) == sorted(receipts)


def test_it_reaches_48_hours_back(sandbox: SandboxDriver, office: Office) -> None:
    office.register_pull()
    start = f"{datetime.now(EAT) - timedelta(hours=1):%Y-%m-%d %H:%M:%S}"
    end = f"{datetime.now(EAT) + timedelta(days=4):%Y-%m-%d %H:%M:%S}"
    receipt = office.paid_receipt()
    for hours, found in ((47, [receipt]), (2, [])):
        sandbox.advance(hours * 3600)
        office.shop.token = ""
        rows = office.pull(StartDate=start, EndDate=end).json()["Response"][0]
        assert [row["transactionId"] for row in rows] == found


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("ShortCode", ["shop", Shop.absent]),
        ("StartDate", ["2026-01-14", "20260114083000", "", Shop.absent]),
        ("EndDate", ["tomorrow", Shop.absent]),
        ("OffSetValue", [-1, "x", "", Shop.absent]),
    ],
)
def test_a_bad_field_of_the_query_is_named(office: Office, field: str, values: list[Any]) -> None:
    office.register_pull()
    for value in values:
        response = office.pull(**{field: value})
        assert response.status_code == 400, value
        assert response.json()["errorMessage"] == f"Bad Request - Invalid {field}"
    assert office.pull(OffSetValue=Shop.absent, OffsetValue=0).status_code == 400


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("ShortCode", ["shop", Shop.absent]),
        ("RequestType", ["pull", Shop.absent]),
        ("NominatedNumber", ["0722000000", Shop.absent]),
        ("CallBackURL", ["erp", Shop.absent]),
    ],
)
def test_a_bad_field_of_the_registration_is_named(
    office: Office, field: str, values: list[Any]
) -> None:
    for value in values:
        response = office.register_pull(**{field: value})
        assert response.status_code == 400, value
        assert response.json()["errorMessage"] == f"Bad Request - Invalid {field}"


def test_a_short_code_that_was_not_registered_gets_nothing(office: Office) -> None:
    assert office.pull().status_code == 400
