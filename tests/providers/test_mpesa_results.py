"""Results of asynchronous products: section 18's seven rules, every recorded shape, any garbage."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.exceptions import InvalidInput
from integrations.providers.mpesa.callbacks import (
    AccountBalance,
    Party,
    Result,
    balance_result,
    parse_accounts,
    parse_result,
    parse_timeout,
    payout_result,
    read_balance,
    read_moment,
    reversal_result,
    status_result,
)
from integrations.providers.mpesa.codes import Outcome
from integrations.providers.mpesa.payloads import NAIROBI
from tests.providers.conftest import CONVERSATION, ORIGINATOR
from tests.providers.test_mpesa_callback_parser import json_values, raw
from tests.sandbox.wire import FOLDER, load_wire

MOMENT = datetime(2026, 1, 14, 9, 30, 21, tzinfo=NAIROBI)
PAID = (
    "result_b2c_paid",
    "result_b2c_paid_no_reference",
    "result_b2c_paid_reference_list",
    "result_b2c_paid_repeated",
    "result_b2c_paid_strings",
)
RESULTS = sorted(path.stem for path in FOLDER.glob("result_*.json"))
READERS = (payout_result, reversal_result, status_result, balance_result)


def told(name: str) -> Result:
    return parse_result(raw(load_wire(name)["body"]))


def result(parameters: Any = None, **changes: Any) -> Result:
    """A result with these parameters, given as its list or as something else."""
    inner = {"ResultCode": 0, "ResultDesc": "Done.", "TransactionID": "UAE4X7K2QP", **changes}
    if parameters is not None:
        inner["ResultParameters"] = {"ResultParameter": parameters}
    return parse_result(raw({"Result": inner}))


def entries(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"Key": key, "Value": value} for key, value in pairs]


@pytest.mark.parametrize("name", RESULTS)
def test_every_recorded_result_tells_its_code_and_ids(name: str) -> None:
    wire = load_wire(name)["body"]["Result"]
    read = told(name)
    assert read.code == str(wire["ResultCode"])
    assert read.text == wire["ResultDesc"]
    assert read.originator_id == wire["OriginatorConversationID"]
    assert read.conversation_id == CONVERSATION
    assert read.is_success is (read.code == "0")


@pytest.mark.parametrize("name", PAID)
def test_a_payout_that_was_paid(name: str) -> None:
    paid = payout_result(told(name))
    assert paid.explanation.outcome is Outcome.SUCCEEDED
    assert (paid.receipt, paid.amount, paid.at) == ("UAE4X7K2QP", Decimal(500), MOMENT)
    assert paid.payee == Party("254712000001", "JANE DOE")


def test_a_payout_tells_balances_and_whether_the_payee_is_registered() -> None:
    paid = payout_result(told("result_b2c_paid"))
    assert paid.is_registered is True
    assert paid.utility_balance == Decimal("10116.00")
    assert paid.working_balance == Decimal("900000.00")
    assert paid.charges_balance == Decimal("-4510.00")
    assert payout_result(result()).is_registered is None


@pytest.mark.parametrize(
    ("name", "outcome", "alarm"),
    [
        ("result_b2c_insufficient", Outcome.FAILED, False),
        ("result_b2c_bad_credential", Outcome.FAILED, True),
        ("result_b2c_locked_credential", Outcome.FAILED, True),
        ("result_b2c_alphanumeric", Outcome.FAILED, False),
        ("result_b2c_empty_transaction", Outcome.FAILED, False),
        ("result_b2c_unregistered", Outcome.FAILED, False),
    ],
)
def test_a_failed_payout_has_no_receipt_whatever_its_id_says(
    name: str, outcome: Outcome, alarm: bool
) -> None:
    failed = payout_result(told(name))
    assert failed.explanation.outcome is outcome
    assert failed.explanation.is_credential_fault is alarm
    assert (failed.receipt, failed.amount, failed.at) == ("", None, None)


def test_a_payout_without_its_own_receipt_has_the_transaction_s() -> None:
    assert payout_result(result()).receipt == "UAE4X7K2QP"


def test_a_reversal_that_was_done() -> None:
    done = reversal_result(told("result_reversal_done"))
    assert done.explanation.outcome is Outcome.SUCCEEDED
    assert (done.receipt, done.original_receipt) == ("UAE9Z1B3CD", "UAE4X7K2QP")
    assert (done.amount, done.at, done.charge) == (Decimal(150), MOMENT, Decimal(0))
    assert done.payer == Party("254712000001", "JANE DOE")
    assert done.business == Party("600999", "SANDBOX STORES")
    assert done.balance == Decimal("700.00")


def test_a_reversal_that_was_done_before_failed_for_good() -> None:
    again = reversal_result(told("result_reversal_already"))
    assert again.explanation.outcome is Outcome.FAILED
    assert not again.explanation.retry
    assert again.receipt == ""


def test_the_state_of_a_transaction() -> None:
    state = status_result(told("result_status_completed"))
    assert state.outcome is Outcome.SUCCEEDED
    assert (state.status, state.receipt, state.amount) == ("Completed", "UAE4X7K2QP", Decimal(500))
    assert (state.originator_id, state.conversation_id) == (ORIGINATOR, CONVERSATION)
    assert state.finished_at == MOMENT
    assert state.started_at == datetime(2026, 1, 14, 6, 30, 5, tzinfo=UTC)
    assert state.charge is None
    assert (state.reason, state.reason_type) == ("", "Business Payment to Customer via API")


@pytest.mark.parametrize("name", ["result_status_repeated", "result_status_completed"])
def test_payer_and_payee_are_told_apart_also_where_a_name_comes_twice(name: str) -> None:
    state = status_result(told(name))
    assert state.debit_party == Party("600999", "SANDBOX STORES")
    assert state.credit_party == Party("254712000001", "JANE DOE")


def test_without_the_payee_s_name_the_second_of_two_is_it() -> None:
    names = [("DebitPartyName", "600999 - SHOP"), ("DebitPartyName", "254712000001 - JANE")]
    state = status_result(result(entries(*names, ("DebitPartyCharges", "Fee|KES|1&Tax|KES|0.50"))))
    assert state.debit_party == Party("600999", "SHOP")
    assert state.credit_party == Party("254712000001", "JANE")
    assert state.charge == Decimal("1.50")


def test_keys_with_spaces_are_read() -> None:
    spaced, usual = told("result_status_spaced"), told("result_status_completed")
    assert status_result(spaced) == status_result(usual)
    assert set(spaced.parameters) == set(usual.parameters)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("result_status_authorized", Outcome.PENDING),
        ("result_status_declined", Outcome.FAILED),
        ("result_status_payment", Outcome.SUCCEEDED),
        ("result_status_strings", Outcome.SUCCEEDED),
        ("result_status_unknown", Outcome.UNKNOWN),
    ],
)
def test_each_recorded_status_has_its_outcome(name: str, outcome: Outcome) -> None:
    assert status_result(told(name)).outcome is outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Completed", Outcome.SUCCEEDED),
        ("completed ", Outcome.SUCCEEDED),
        ("Cancelled", Outcome.CANCELLED),
        ("Declined", Outcome.FAILED),
        ("Expired", Outcome.EXPIRED),
        ("Initiated", Outcome.PENDING),
        ("Authorized", Outcome.PENDING),
        ("Pending Authorized", Outcome.PENDING),
        ("Somehow", Outcome.UNKNOWN),
        ("", Outcome.UNKNOWN),
        (None, Outcome.UNKNOWN),
    ],
)
def test_each_status_has_its_outcome_and_others_are_unknown(
    status: str | None, outcome: Outcome
) -> None:
    assert status_result(result(entries(("TransactionStatus", status)))).outcome is outcome


@pytest.mark.parametrize("code", ["R000002", "2001", "17", "12345", ""])
def test_a_question_that_failed_says_nothing_of_the_transaction(code: str) -> None:
    read = status_result(result(entries(("TransactionStatus", "Completed")), ResultCode=code))
    assert read.outcome is Outcome.UNKNOWN
    assert read.explanation.outcome in (Outcome.FAILED, Outcome.UNKNOWN)


def test_the_balances_of_the_accounts() -> None:
    read = balance_result(told("result_balance"))
    assert read.at == MOMENT
    zero = Decimal("0.00")
    assert read.accounts == (
        AccountBalance("Working Account", "KES", Decimal(700), Decimal(700), zero, zero),
        AccountBalance("Utility Account", "KES", Decimal(228), Decimal(228), zero, zero),
        AccountBalance("Charges Paid Account", "KES", Decimal(-15), Decimal(-15), zero, zero),
    )


@pytest.mark.parametrize("text", [None, "", " ", "&", " & "])
def test_no_accounts_are_none(text: Any) -> None:
    assert parse_accounts(text) == ()


def test_an_account_may_tell_less() -> None:
    assert parse_accounts("Float|KES|1.5") == (AccountBalance("Float", "KES", Decimal("1.5")),)


@pytest.mark.parametrize(
    "text",
    ["Working Account", "Working Account|KES", "A|KES|", "|KES|1", "A|KES|1,000", "A|KES|x|1"],
)
def test_an_account_that_can_t_be_read_is_no_balance_of_nothing(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_accounts(text)
    assert caught.value.field == "AccountBalance"


@pytest.mark.parametrize(
    ("shape", "amount"),
    [
        ("{Amount={CurrencyCode=KES, MinimumAmount=618683, BasicAmount=6186.83}}", "6186.83"),
        ("{Amount={CurrencyCode=KES, MinimumAmount=618683}}", "6186.83"),
        ("{Amount={BasicAmount=-15.00, CurrencyCode=KES, MinimumAmount=-1500}}", "-15.00"),
        ("Utility Account|KES|228.00|228.00|0.00|0.00", "228.00"),
        ("Fee|KES|22.40", "22.40"),
        (228, "228"),
        (Decimal("-4510.00"), "-4510.00"),
        ("900000.00", "900000.00"),
    ],
)
def test_a_balance_is_read_in_each_of_its_shapes(shape: Any, amount: str) -> None:
    assert read_balance(shape) == Decimal(amount)


@pytest.mark.parametrize("shape", ["", None, {}, [], True, "a|b", "a", "{Amount={}}", "1,000"])
def test_what_is_no_balance_is_none(shape: Any) -> None:
    assert read_balance(shape) is None


@pytest.mark.parametrize(
    "written",
    [
        "14.01.2026 09:30:21",
        "20260114093021",
        20260114093021,
        "2026-01-14 09:30:21",
        "2026-01-14T09:30:21",
        "2026-01-14T06:30:21Z",
        "2026-01-14T09:30:21+03:00",
    ],
)
def test_each_form_of_a_time_is_aware(written: Any) -> None:
    moment = read_moment(written)
    assert moment == MOMENT
    assert moment is not None
    assert moment.tzinfo is not None


@pytest.mark.parametrize(
    "written", ["", None, "14/01/2026", "00010101000000", "99991231235959", True, [], "T", 1]
)
def test_what_is_no_time_is_none(written: Any) -> None:
    assert read_moment(written) is None


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)))
def test_both_forms_of_any_time_come_back(moment: datetime) -> None:
    expected = moment.replace(microsecond=0, tzinfo=NAIROBI)
    assert read_moment(expected.strftime("%Y%m%d%H%M%S")) == expected
    assert read_moment(expected.strftime("%d.%m.%Y %H:%M:%S")) == expected


money = st.decimals(-(10**9), 10**9, places=2)
names = st.text(st.characters(exclude_characters="|&", categories=("L", "N", "Zs")), min_size=1)


@given(st.lists(st.tuples(names.filter(str.strip), money, money, money, money), max_size=5))
def test_any_accounts_come_back(accounts: list[Any]) -> None:
    text = "&".join("|".join([name, "KES", *map(str, figures)]) for name, *figures in accounts)
    read = parse_accounts(text)
    assert [(a.current, a.available, a.reserved, a.uncleared) for a in read] == [
        tuple(figures) for _name, *figures in accounts
    ]
    assert [each.name for each in read] == [name.strip()[:80] for name, *_ in accounts]


def test_a_parameter_may_come_without_its_list_or_value() -> None:
    read = result({"Key": "BOCompletedTime", "Value": 1})
    assert dict(read.parameters) == {"BOCompletedTime": 1}
    read = result([{"Key": "A"}, {"Key": "A", "Value": 2}, {"Key": "A", "Value": 3}, {"Key": "B"}])
    assert dict(read.parameters) == {"A": 2, "B": None}
    assert read.values("a") == [None, 2, 3]


@pytest.mark.parametrize(
    "changes",
    [
        {"ResultParameters": None},
        {"ResultParameters": []},
        {"ResultParameters": "none"},
        {"ResultParameters": {"ResultParameter": "none"}},
        {"ResultParameters": {"ResultParameter": [1, None, {"Value": 1}, {"Key": {}}]}},
        {"ReferenceData": None},
        {"ReferenceData": {"ReferenceItem": [{"Key": "a"}]}},
        {"ReferenceData": {"ReferenceItem": 5}},
    ],
)
def test_parts_may_be_missing_or_nonsense(changes: dict[str, Any]) -> None:
    read = result(**changes)
    assert read.code == "0"
    assert dict(read.parameters) == {}


def test_reference_data_is_read_from_an_object_or_a_list() -> None:
    item = {"Key": "BillReferenceNumber", "Value": "INV001"}
    for items in (item, [item]):
        read = result(ReferenceData={"ReferenceItem": items})
        assert read.reference["BillReferenceNumber"] == "INV001"


@pytest.mark.parametrize(
    ("body", "originator"),
    [
        (b'{"OriginatorConversationID":"o-1"}', "o-1"),
        (b'{"originatorCoversationID":"o-1"}', "o-1"),
        (b'{"Result":{"Originator Conversation ID":"o-1"}}', "o-1"),
        (b'{"Result":{"ResultCode":1},"OriginatorConversationID":"o-1"}', "o-1"),
        (b'{"result":{"originatorconversationid":"o-1"}}', "o-1"),
        (b'{"OriginatorConversationID":{"a":1}}', ""),
        (b"{}", ""),
        (b"[]", ""),
        (b'[{"OriginatorConversationID":"o-1"}]', ""),
        (b"null", ""),
        (b'"timeout"', ""),
        (b"1", ""),
    ],
)
def test_a_timeout_of_any_shape_is_no_failure(body: bytes, originator: str) -> None:
    read = parse_result(body)
    assert read.originator_id == originator
    if not read.code:
        for reader in READERS:
            assert reader(read).explanation.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("name", ["timeout_b2c", "timeout_b2c_flat", "timeout_b2c_zero"])
def test_a_timeout_tells_whose_it_is_and_never_an_outcome(name: str) -> None:
    read = parse_timeout(raw(load_wire(name)["body"]))
    assert (read.originator_id, read.conversation_id) == (ORIGINATOR, CONVERSATION)
    assert read.code == ""
    assert payout_result(read).explanation.outcome is Outcome.UNKNOWN


def test_a_timeout_that_says_zero_is_no_success() -> None:
    body = raw(load_wire("result_b2c_paid")["body"])
    assert not parse_timeout(body).is_success
    assert parse_timeout(body).text == load_wire("result_b2c_paid")["body"]["Result"]["ResultDesc"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b'{"a":NaN}', b"[" * 60_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_result(body)
    assert caught.value.field == "body"


@pytest.mark.parametrize(
    ("reader", "parameter", "value"),
    [
        (payout_result, "TransactionAmount", "1,000"),
        (payout_result, "TransactionAmount", True),
        (payout_result, "TransactionReceipt", "a; b"),
        (payout_result, "TransactionReceipt", [1]),
        (reversal_result, "Amount", "x"),
        (reversal_result, "OriginalTransactionID", "<b>"),
        (status_result, "Amount", {}),
        (status_result, "ReceiptNo", "x y z 1 2 3"),
        (balance_result, "AccountBalance", "nonsense"),
    ],
)
def test_a_success_that_can_t_be_read_names_the_field(
    reader: Any, parameter: str, value: Any
) -> None:
    with pytest.raises(InvalidInput) as caught:
        reader(result(entries((parameter, value))))
    assert caught.value.field == parameter


def test_texts_of_a_result_are_made_fit_for_the_database() -> None:
    read = parse_result(
        b'{"Result":{"ResultCode":"1\\u0000","ResultDesc":"a\\u0000b\\ud800' + b"x" * 400 + b'",'
        b'"TransactionID":12345678901234567890}}'
    )
    assert read.code == "1"
    assert read.text.startswith("ab?xx")
    assert len(read.text) == 300
    assert read.transaction_id == "12345678901234567890"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_result_or_refused(body: bytes) -> None:
    try:
        read = parse_result(body)
    except InvalidInput as error:
        assert error.field == "body"
        return
    assert isinstance(read.code, str)


KEYS = st.sampled_from(
    [
        "TransactionAmount", "TransactionReceipt", "ReceiverPartyPublicName", "Amount", "ReceiptNo",
        "TransactionCompletedDateTime", "DebitPartyName", "DebitPartyCharges", "AccountBalance",
        "TransactionStatus", "FinalisedTime", "OriginalTransactionID", "DebitAccountBalance",
        "B2CUtilityAccountAvailableFunds", "B2CRecipientIsRegisteredCustomer", "Charge",
    ]
)  # fmt: skip
ENTRY = st.fixed_dictionaries({"Key": KEYS | json_values, "Value": json_values})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "ResultCode": st.sampled_from([0, "0"]) | json_values,
            "ResultDesc": json_values,
            "OriginatorConversationID": json_values,
            "TransactionID": json_values,
            "ResultParameters": json_values
            | st.fixed_dictionaries(
                {"ResultParameter": json_values | ENTRY | st.lists(ENTRY, max_size=6)}
            ),
            "ReferenceData": json_values,
        },
    )
)
def test_any_shape_is_read_or_refused_by_every_reader(inner: dict[str, Any]) -> None:
    for reader in READERS:
        try:
            found = reader(parse_result(json.dumps({"Result": inner}).encode()))
        except InvalidInput as error:
            assert error.field
            continue
        assert found.explanation.sentence.endswith(".")
