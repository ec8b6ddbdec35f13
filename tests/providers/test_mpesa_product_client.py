"""The client of all products against a Daraja that answers with wire files: what each means."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from integrations.config import Snapshot
from integrations.exceptions import (
    ConfigurationError,
    InvalidInput,
    OutcomeUnknown,
    ProviderError,
    TransportError,
)
from integrations.models import ProviderCall
from integrations.outbound import flush
from integrations.providers.mpesa.client import Ack, DarajaClient
from integrations.providers.mpesa.payloads import Payout, Reversal
from tests.providers.conftest import (
    CONVERSATION,
    ORIGINATOR,
    PASSWORD,
    Daraja,
    Safaricom,
    assert_same_message,
)
from tests.sandbox.wire import load_wire

URLS = {
    "result_url": "https://erp.example.ke/pay/cb/9f2c/result",
    "timeout_url": "https://erp.example.ke/pay/cb/9f2c/timeout",
}
SPAN = {
    "start": datetime(2026, 1, 14, 6, tzinfo=UTC),
    "end": datetime(2026, 1, 14, 7, tzinfo=UTC),
}
PAYOUT = Payout(
    phone="254712000001",
    amount=500,
    command="BusinessPayment",
    remarks="Refund INV001",
    short_code="600999",
    occasion="refund",
    originator_id=ORIGINATOR,
)
REVERSAL = Reversal(receipt="UAE4X7K2QP", amount=150, remarks="Wrong order", short_code="600999")
ADDRESSES = {
    "confirmation_url": "https://erp.example.ke/pay/cb/9f2c/conf",
    "validation_url": "https://erp.example.ke/pay/cb/9f2c/val",
}
CALLS: dict[str, Callable[[DarajaClient], Any]] = {
    "b2c": lambda client: client.b2c(PAYOUT, **URLS),
    "reversal": lambda client: client.reverse(REVERSAL, **URLS),
    "transaction_status": lambda client: client.transaction_status(receipt="UAE4X7K2QP", **URLS),
    "account_balance": lambda client: client.account_balance(**URLS),
    "c2b_register": lambda client: client.register_c2b(**ADDRESSES),
    "c2b_simulate": lambda client: client.simulate_c2b(
        phone="254708374149", amount=10, bill_ref="INV001"
    ),
    "pull_register": lambda client: client.register_pull(
        callback_url="https://erp.example.ke/pay/cb/9f2c/pull"
    ),
    "pull": lambda client: client.pull(**SPAN),
}
MONEY = ("b2c", "reversal", "c2b_simulate")
HARMLESS = [name for name in CALLS if name not in MONEY]
QUESTIONS = ["transaction_status", "account_balance"]
PATHS = {
    "b2c": "/mpesa/b2c/v3/paymentrequest",
    "reversal": "/mpesa/reversal/v1/request",
    "transaction_status": "/mpesa/transactionstatus/v1/query",
    "account_balance": "/mpesa/accountbalance/v1/query",
    "c2b_register": "/mpesa/c2b/v2/registerurl",
    "c2b_simulate": "/mpesa/c2b/v2/simulate",
    "pull_register": "/pulltransactions/v1/register",
    "pull": "/pulltransactions/v1/query",
}
GOOD = {
    "c2b_register": "c2b_register_ack",
    "c2b_simulate": "c2b_register_ack",
    "pull_register": "pull_register_ack",
    "pull": "pull_answer",
}


@pytest.fixture
def client_of(config_of: Callable[..., Snapshot], daraja: Daraja) -> Callable[..., DarajaClient]:
    def make(**changes: Any) -> DarajaClient:
        urls = {"sandbox_url": f"http://{daraja.server.place}"}
        return DarajaClient(config_of(**{**urls, "pull_phone": "0722000000", **changes}))

    return make


@pytest.fixture
def client(client_of: Callable[..., DarajaClient]) -> DarajaClient:
    return client_of()


def good(name: str) -> str:
    return GOOD.get(name, "b2c_ack")


@pytest.mark.parametrize("name", CALLS)
def test_each_product_is_asked_at_its_address_with_a_token(
    client: DarajaClient, daraja: Daraja, name: str
) -> None:
    daraja.answers_with(good(name))
    assert CALLS[name](client)
    request = daraja.asked[-1]
    assert (request.method, request.path) == ("POST", PATHS[name])
    assert request.headers["Authorization"].startswith("Bearer ")
    assert request.headers["Content-Type"] == "application/json"


def test_a_payout_travels_as_documented_and_only_safaricom_can_read_the_password(
    client: DarajaClient, daraja: Daraja, safaricom: Safaricom
) -> None:
    daraja.answers_with("b2c_ack")
    ack = client.b2c(PAYOUT, **URLS)
    assert ack == Ack(
        CONVERSATION,
        ORIGINATOR,
        "Accept the service request successfully.",
    )
    assert_same_message(daraja.body(), "b2c_request_v3")
    assert safaricom.open(daraja.body()["SecurityCredential"]) == PASSWORD
    assert PASSWORD.encode() not in daraja.asked[-1].body


def test_the_version_of_the_row_is_asked(
    client_of: Callable[..., DarajaClient], daraja: Daraja
) -> None:
    daraja.answers_with("b2c_ack")
    client = client_of(b2c_version="v1", c2b_version="v1")
    client.b2c(PAYOUT, **URLS)
    assert daraja.asked[-1].path == "/mpesa/b2c/v1/paymentrequest"
    assert "OriginatorConversationID" not in daraja.body()
    client.register_c2b(**ADDRESSES)
    assert daraja.asked[-1].path == "/mpesa/c2b/v1/registerurl"
    client.simulate_c2b(phone="254708374149", amount=10, bill_ref="")
    assert daraja.asked[-1].path == "/mpesa/c2b/v1/simulate"


@pytest.mark.parametrize("wire", ["c2b_register_ack", "c2b_register_ack_zeros"])
def test_the_misspelt_id_and_zeros_of_any_length_are_an_acceptance(
    client: DarajaClient, daraja: Daraja, wire: str
) -> None:
    daraja.answers_with(wire)
    ack = client.register_c2b(**ADDRESSES)
    assert (ack.originator_id, ack.conversation_id) == ("7619-37765134-1", "")
    assert ack.text.lower() == "success"


def test_pull_is_registered_once_or_again(client: DarajaClient, daraja: Daraja) -> None:
    for wire in ("pull_register_ack", "pull_register_ack_spaced", "pull_register_known"):
        daraja.answers_with(wire)
        told = CALLS["pull_register"](client)
        assert told == load_wire(wire)["body"]["ResponseDescription"]


def test_a_page_of_pulled_rows(client: DarajaClient, daraja: Daraja) -> None:
    daraja.answers_with("pull_answer")
    page = client.pull(**SPAN)
    assert [row.amount for row in page.rows] == [Decimal(150)]
    assert (page.has_more, page.size, page.wrong) == (False, 1, ())
    assert daraja.body()["StartDate"] == "2026-01-14 09:00:00"
    daraja.answers_with("pull_none")
    assert client.pull(**SPAN, offset=100).rows == ()
    assert daraja.body()["OffSetValue"] == 100


def test_a_full_page_says_that_there_is_more_also_with_a_bad_row(
    client: DarajaClient, daraja: Daraja
) -> None:
    row = {"transactionId": "UAE4X7K2QP", "amount": "1.00", "trxDate": "20260114093021"}
    rows = [[*[row] * 99, {"amount": "1.00"}]]
    daraja.answers_json(200, {"ResponseCode": 1000, "Response": rows})
    page = client.pull(**SPAN)
    assert (len(page.rows), page.size, page.has_more) == (99, 100, True)
    assert len(page.wrong) == 1


REFUSED = {
    "error_invalid_amount": "400.002.02",
    "error_invalid_payload": "400.002.05",
    "error_unknown_path": "404.001.01",
    "error_wrong_verb": "405.001",
    "error_product_missing": "401.003.01",
    "error_endpoint_forbidden": "403.002.1001",
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("wire", REFUSED)
def test_a_refusal_says_that_nothing_was_done(
    client: DarajaClient, daraja: Daraja, name: str, wire: str
) -> None:
    daraja.answers_with(wire)
    with pytest.raises(ProviderError) as caught:
        CALLS[name](client)
    assert caught.value.permanent
    assert caught.value.code == load_wire(wire)["body"]["errorCode"]
    assert caught.value.request_id
    assert len(daraja.asked) == 1


@pytest.mark.parametrize(
    ("name", "setting"),
    [("b2c", "b2c_version"), ("c2b_register", "c2b_version"), ("c2b_simulate", "c2b_version")],
)
@pytest.mark.parametrize("wire", ["error_endpoint_forbidden", "error_product_missing"])
def test_a_version_that_is_not_granted_names_the_setting(
    client: DarajaClient, daraja: Daraja, name: str, setting: str, wire: str
) -> None:
    daraja.answers_with(wire)
    with pytest.raises(ProviderError, match=f"other version: {setting}"):
        CALLS[name](client)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "wire", ["error_token_404_001_03", "error_token_400_003_01", "error_token_401_001"]
)
def test_a_refused_token_is_renewed_once(
    client: DarajaClient, daraja: Daraja, name: str, wire: str
) -> None:
    daraja.answers_with(wire, good(name))
    assert CALLS[name](client)
    assert len(daraja.asked) == 2
    daraja.answers_with(wire)
    with pytest.raises(ProviderError, match="refused the access token twice"):
        CALLS[name](client)
    assert len(daraja.asked) == 4


def test_a_duplicate_payout_is_unknown_and_says_that_the_first_exists(
    client: DarajaClient, daraja: Daraja
) -> None:
    daraja.answers_with("error_duplicate_originator")
    with pytest.raises(OutcomeUnknown) as caught:
        client.b2c(PAYOUT, **URLS)
    assert caught.value.code == "duplicate_originator"
    assert len(daraja.asked) == 1


def test_the_same_code_for_maintenance_is_no_duplicate(
    client: DarajaClient, daraja: Daraja
) -> None:
    daraja.answers_with("error_maintenance")
    with pytest.raises(OutcomeUnknown) as caught:
        client.b2c(PAYOUT, **URLS)
    assert caught.value.code == "500.002.1001"
    with pytest.raises(ProviderError) as refused:
        client.account_balance(**URLS)
    assert not refused.value.permanent


@pytest.mark.parametrize("wire", ["error_spike_arrest", "error_quota"])
@pytest.mark.parametrize("name", MONEY)
def test_a_slowed_down_payment_is_unknown_and_sent_once(
    client: DarajaClient, daraja: Daraja, name: str, wire: str
) -> None:
    daraja.answers_with(wire)
    with pytest.raises(OutcomeUnknown) as caught:
        CALLS[name](client)
    assert caught.value.code == load_wire(wire)["body"]["errorCode"]
    assert len(daraja.asked) == 1


@pytest.mark.parametrize("wire", ["error_spike_arrest", "error_quota"])
@pytest.mark.parametrize("name", HARMLESS)
def test_a_slowed_down_question_may_be_asked_later(
    client: DarajaClient, daraja: Daraja, name: str, wire: str
) -> None:
    daraja.answers_with(wire)
    with pytest.raises(ProviderError) as caught:
        CALLS[name](client)
    assert not caught.value.permanent
    assert len(daraja.asked) == 1


@pytest.mark.parametrize("wire", ["error_already_registered", "error_duplicate_notification"])
def test_addresses_that_are_registered_already_are_said_so(
    client: DarajaClient, daraja: Daraja, wire: str
) -> None:
    daraja.answers_with(wire)
    with pytest.raises(ProviderError, match="deleted on the Daraja portal") as caught:
        client.register_c2b(**ADDRESSES)
    assert caught.value.code == "already_registered"
    assert caught.value.permanent
    with pytest.raises(OutcomeUnknown):  # elsewhere the code is an internal fault
        client.b2c(PAYOUT, **URLS)


@pytest.mark.parametrize("name", MONEY)
@pytest.mark.parametrize("wire", ["error_html_200", "error_empty_200", "error_internal"])
def test_what_says_neither_yes_nor_no_to_a_payment_is_unknown_and_sent_once(
    client: DarajaClient, daraja: Daraja, name: str, wire: str
) -> None:
    daraja.answers_with(wire)
    with pytest.raises((OutcomeUnknown, TransportError)) as caught:
        CALLS[name](client)
    if isinstance(caught.value, TransportError):
        assert caught.value.sent
    assert len(daraja.asked) == 1


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_that_met_a_fault_is_sent_once(
    client: DarajaClient, daraja: Daraja, name: str
) -> None:
    """Each one that arrives has a result of its own; whoever asks, asks again elsewhere."""
    daraja.answers_with("error_internal", good(name))
    with pytest.raises(OutcomeUnknown):
        CALLS[name](client)
    assert len(daraja.asked) == 1


@pytest.mark.parametrize("name", [name for name in HARMLESS if name not in QUESTIONS])
def test_what_met_a_fault_and_does_no_harm_is_asked_again(
    client: DarajaClient, daraja: Daraja, name: str
) -> None:
    daraja.answers_with("error_internal", good(name))
    assert CALLS[name](client)
    assert len(daraja.asked) == 2


def test_addresses_are_registered_once_only_in_production(
    client_of: Callable[..., DarajaClient], daraja: Daraja
) -> None:
    client = client_of(environment="production", base_url=f"http://{daraja.server.place}")
    daraja.answers_with("error_internal", "c2b_register_ack")
    with pytest.raises(OutcomeUnknown):
        client.register_c2b(**ADDRESSES)
    assert len(daraja.asked) == 1


@pytest.mark.parametrize(
    ("code", "error", "permanent"),
    [
        ("1", ProviderError, False),
        ("21", ProviderError, True),
        ("777", OutcomeUnknown, None),
        ("100000000", OutcomeUnknown, None),
        ("100000004", OutcomeUnknown, None),
        ("100000002", ProviderError, False),
        ("15", OutcomeUnknown, None),
    ],
)
def test_a_good_answer_with_another_code_than_zeros_is_read_by_the_tables(
    client: DarajaClient, daraja: Daraja, code: str, error: type[Exception], permanent: bool | None
) -> None:
    daraja.answers_json(200, {"ResponseCode": code, "ResponseDescription": "Something."})
    with pytest.raises(error) as caught:
        client.b2c(PAYOUT, **URLS)
    assert caught.value.code == code  # type: ignore[attr-defined]
    if permanent is not None:
        assert caught.value.permanent is permanent  # type: ignore[attr-defined]


def test_an_error_inside_a_good_answer_is_an_error(client: DarajaClient, daraja: Daraja) -> None:
    answer = {**load_wire("b2c_ack")["body"], "errorCode": "500.001.1001", "errorMessage": ""}
    daraja.answers_json(200, answer)
    with pytest.raises(OutcomeUnknown):
        client.b2c(PAYOUT, **URLS)


@pytest.mark.parametrize("name", ["pull", "pull_register"])
def test_another_code_of_the_pull_product_is_a_refusal(
    client: DarajaClient, daraja: Daraja, name: str
) -> None:
    told = {"ResponseCode": "1002", "ResponseStatus": "1002", "ResponseMessage": "No access"}
    daraja.answers_json(200, told)
    with pytest.raises(ProviderError, match="No access") as caught:
        CALLS[name](client)
    assert caught.value.code == "1002"


@pytest.mark.parametrize("answer", [{}, {"Response": []}, {"ResponseCode": None}])
def test_a_pull_without_a_code_is_no_empty_page(
    client: DarajaClient, daraja: Daraja, answer: dict[str, Any]
) -> None:
    daraja.answers_json(200, answer)
    with pytest.raises(OutcomeUnknown):
        client.pull(**SPAN)


@pytest.mark.parametrize("name", ["b2c", "reversal", "transaction_status", "account_balance"])
def test_without_an_initiator_nothing_is_sent(
    client_of: Callable[..., DarajaClient], daraja: Daraja, name: str
) -> None:
    for missing in ({"initiator_name": ""}, {"initiator_password": ""}, {"certificate": ""}):
        with pytest.raises(ConfigurationError):
            CALLS[name](client_of(**missing))
    assert daraja.server.requests == []


def test_bad_input_sends_nothing(client: DarajaClient, daraja: Daraja) -> None:
    with pytest.raises(InvalidInput):
        client.transaction_status(**URLS)
    with pytest.raises(InvalidInput):
        client.pull(start=SPAN["end"], end=SPAN["start"])
    assert daraja.server.requests == []


@pytest.mark.parametrize("name", ["b2c", "reversal"])
def test_a_passed_deadline_sends_nothing(client: DarajaClient, daraja: Daraja, name: str) -> None:
    late = time.monotonic() - 1
    with pytest.raises(TransportError) as caught:
        if name == "b2c":
            client.b2c(PAYOUT, **URLS, deadline=late)
        else:
            client.reverse(REVERSAL, **URLS, deadline=late)
    assert not caught.value.sent
    assert daraja.asked == []


@pytest.mark.django_db(transaction=True)
def test_every_call_leaves_its_record_without_a_secret(
    client: DarajaClient, daraja: Daraja
) -> None:
    for name, call in CALLS.items():
        daraja.answers_with(good(name))
        call(client)
    daraja.answers_with("error_spike_arrest")
    with pytest.raises(OutcomeUnknown):
        client.b2c(PAYOUT, **URLS, reference="payment-1")
    flush()
    rows = ProviderCall.objects.exclude(operation="token")
    assert {row.operation for row in rows.filter(outcome="ok")} == set(CALLS)
    last = rows.order_by("-id").first()
    assert last is not None
    assert (last.outcome, last.error_code, last.reference) == (
        "unknown",
        "500.003.02",
        "payment-1",
    )
