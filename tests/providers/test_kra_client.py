"""The client of eTIMS against answers written from the reference: what each of them means."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from integrations.exceptions import (
    ConfigurationError,
    IntegrationError,
    InvalidInput,
    OutcomeUnknown,
    ProviderError,
    TransportError,
    Unsupported,
)
from integrations.models import ProviderCall
from integrations.outbound import flush
from integrations.providers.kra.client import OPERATIONS, EtimsClient, EtimsRefused, SaleReply
from integrations.providers.kra.codes import Kind
from tests.hunt.plants import planted
from tests.outbound.servers import drop
from tests.providers.kra_office import KEY, TRANSPORTS, Office, load_wire, reply_of

pytestmark = pytest.mark.django_db
BODY = {"trdInvcNo": "INV-1", "invcNo": 5, "totAmt": Decimal("3842.25"), "qty": Decimal("2.00")}
SIGNED_AT = datetime(2026, 11, 23, 7, 14, 59, tzinfo=UTC)
READS = [name for name, endpoint in OPERATIONS.items() if endpoint.is_read]
# Section 5, copied by hand.
PATHS = {
    "init": ("/selectInitOsdcInfo", "/initialize", "/initializer/selectInitInfo"),
    "code_list": ("/selectCodeList", "/selectCodeList", "/code/selectCodes"),
    "item_classes": ("/selectItemClsList", "/selectItemClass", "/itemClass/selectItemsClass"),
    "find_customer": ("/selectCustomer", "/customerPinInfo", "/customers/selectCustomer"),
    "branch_list": ("/selectBhfList", "/branchList", "/branches/selectBranches"),
    "notices": ("/selectNoticeList", "/selectNoticeList", "/notices/selectNotices"),
    "save_customer": (
        "/saveBhfCustomer",
        "/branchSendCustomerInfo",
        "/branches/saveBrancheCustomers",
    ),
    "save_user": ("/saveBhfUser", "/branchUserAccount", "/branches/saveBrancheUsers"),
    "save_insurance": (
        "/saveBhfInsurance",
        "/branchInsuranceInfo",
        "/branches/saveBrancheInsurances",
    ),
    "save_item": ("/saveItem", "/saveItem", "/items/saveItems"),
    "item_list": ("/selectItemList", "/itemInfo", "/items/selectItems"),
    "save_composition": ("/saveItemComposition", "/saveItemComposition", ""),
    "import_list": (
        "/selectImportItemList",
        "/importedItemInfo",
        "/imports/selectImportItems",
    ),
    "update_import": (
        "/updateImportItem",
        "/importedItemConvertedInfo",
        "/imports/updateImportItems",
    ),
    "save_sale": ("/saveTrnsSalesOsdc", "/sendSalesTransaction", "/trnsSales/saveSales"),
    "save_invoice": ("", "", "/trnsSales/saveInvoice"),
    "find_invoice": ("/selectInvoiceDetails", "/selectInvoiceDetail", ""),
    "purchase_list": (
        "/selectTrnsPurchaseSalesList",
        "/getPurchaseTransactionInfo",
        "/trnsPurchase/selectTrnsPurchaseSales",
    ),
    "save_purchase": (
        "/insertTrnsPurchase",
        "/sendPurchaseTransactionInfo",
        "/trnsPurchase/savePurchases",
    ),
    "stock_list": ("/selectStockMoveList", "/selectStockMoveLists", "/stock/selectStockItems"),
    "save_stock_io": ("/insertStockIO", "/insert/stockIO", "/stock/saveStockItems"),
    "save_stock_master": (
        "/saveStockMaster",
        "/save/stockMaster",
        "/stockMaster/saveStockMaster",
    ),
}


@pytest.fixture
def office(settings: Any) -> Iterator[Office]:
    told = Office()
    settings.OUTBOUND_ALLOWED_HOSTS = [told.server.place]
    yield told
    told.server.stop()


@pytest.fixture
def client_of(office: Office) -> Callable[..., EtimsClient]:
    def make(transport: str = "oscu_direct", **changes: Any) -> EtimsClient:
        return EtimsClient(office.settings(transport, **changes))

    return make


def fails(call: Callable[[], Any], kind: type[IntegrationError]) -> Any:
    with pytest.raises(IntegrationError) as caught:
        call()
    assert type(caught.value) is kind, repr(caught.value)
    return caught.value


def sell(client: EtimsClient) -> SaleReply:
    return client.send_sale(BODY, reference="INV-1")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("at", range(3), ids=TRANSPORTS)
def test_each_operation_goes_to_its_address(
    client_of: Callable[..., EtimsClient], office: Office, operation: str, at: int
) -> None:
    office.answers_with("sale_unsigned")
    client = client_of(TRANSPORTS[at])
    path = PATHS[operation][at]
    if not path:
        error = fails(lambda: client.call(operation), Unsupported)
        assert f"{operation} = /path" in error.message
        assert office.server.requests == []
        return
    client.call(operation)
    request = office.asked[-1]
    assert (request.method, request.path) == ("POST", "/etims" + path)
    assert request.headers["Content-Type"] == "application/json"


def test_paths_of_the_row_go_first(client_of: Callable[..., EtimsClient], office: Office) -> None:
    office.answers_with("sale_unsigned")
    client = client_of(
        "vscu",
        paths="find_invoice = /trnsSales/selectInvoice\n\nbranch_list=/b",
        invoice_path="/own/sales",
        sync_path="own/codes",
        invoice_status_path="/not/this",
    )
    for operation, path in {
        "find_invoice": "/trnsSales/selectInvoice",
        "branch_list": "/b",
        "save_sale": "/own/sales",
        "code_list": "/own/codes",
    }.items():
        client.call(operation)
        assert office.asked[-1].path == "/etims" + path


@pytest.mark.parametrize("line", ["save_sale", "save_sale = x", "nothing = /x", "notices = /x/"])
def test_a_path_that_cannot_be_read_is_named(
    client_of: Callable[..., EtimsClient], line: str
) -> None:
    client = client_of(paths=f"code_list = /codes\n{line}")
    error = fails(lambda: client.call("code_list"), ConfigurationError)
    assert line in error.message
    assert error.code == "invalid_path"


def test_identity_goes_in_headers_and_body(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.answers_with("code_list")
    client_of().call("code_list", {"lastReqDt": "20261122101500"})
    wire = load_wire("plain_header_request")
    assert office.body() == {**wire["body"], "cmcKey": KEY}
    for name in wire["headers"]:
        assert office.header(name) == office.body()[name]
    assert office.header("apigee_app_id") is None
    assert office.header("Authorization") is None
    assert office.tokens_asked == []


def test_the_gateway_wants_a_token_and_the_app(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.answers_with("gateway_sale_signed")
    client = client_of("oscu_gateway")
    sell(client)
    sell(client)
    assert office.header("Authorization") == f"Bearer {load_wire('token')['body']['access_token']}"
    assert office.header("apigee_app_id") == "app-0001"
    assert (office.header("cmcKey"), office.header("tin")) == (KEY, "P051234567X")
    [token] = office.tokens_asked
    assert (token.method, token.path) == ("GET", load_wire("token_request")["path"])
    scheme, _, pair = token.headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    expected = f"{planted('client id')}:{planted('client secret')}"
    assert base64.b64decode(pair).decode() == expected


def test_the_vscu_gets_pin_and_branch_alone(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.answers_with("vscu_sale_signed")
    sell(client_of("vscu", is_bearer_sent=True))
    assert "cmcKey" not in office.body()
    assert KEY.encode() not in office.asked[-1].body
    assert office.header("cmcKey") is None
    assert office.header("Authorization") is None
    assert office.body()["tin"] == "P051234567X"


def test_a_bearer_goes_to_the_direct_host_by_setting(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.answers_with("sale_signed")
    sell(client_of(is_bearer_sent=True))
    assert str(office.header("Authorization")).startswith("Bearer ")


def test_amounts_travel_as_numbers(client_of: Callable[..., EtimsClient], office: Office) -> None:
    office.answers_with("sale_signed")
    sell(client_of())
    assert b'"totAmt": 3842.25' in office.asked[-1].body
    assert b'"qty": 2,' in office.asked[-1].body
    error = fails(
        lambda: client_of().call("save_sale", {"totAmt": Decimal("9999999999999999.99")}),
        InvalidInput,
    )
    assert error.field == "body.totAmt"


@pytest.mark.parametrize(("name", "other"), [("tin", "P000000000A"), ("bhfId", "01")])
def test_what_was_written_for_one_branch_is_not_sent_for_another(
    client_of: Callable[..., EtimsClient], office: Office, name: str, other: str
) -> None:
    client = client_of()
    error = fails(lambda: client.call("save_sale", {**BODY, name: other}), InvalidInput)
    assert error.field == name
    assert office.server.requests == []


def test_a_signature_is_read_from_every_dress(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    for transport, wire in (
        ("oscu_direct", "sale_signed"),
        ("oscu_direct", "sale_signed_odd_keys"),
        ("oscu_gateway", "gateway_sale_signed"),
        ("vscu", "vscu_sale_signed"),
        ("vscu", "vscu_sale_signed_kenyan"),
    ):
        office.answers_with(wire)
        signed = sell(client_of(transport))
        is_vscu = transport == "vscu"
        assert signed == SaleReply(
            receipt_number=7,
            total_receipt_number=12,
            internal_data="ABCDEFGHIJKLMNOPQRSTUVWX23",
            signature="ABCDEFGH234567QR",
            signed_at=SIGNED_AT,
            control_unit_id="KRACU0100000001" if is_vscu else "",
            mrc_no="WIS00000001" if is_vscu else "",
        ), wire


# What comes back, and the kind of a definite no: nothing was stored.
REFUSED = {
    "gateway_refused": Kind.SEQUENCE,
    "gateway_refused_number_taken": Kind.SEQUENCE,
    "gateway_refused_inside_200": Kind.REFUSED,
    "gateway_refused_customer_message": Kind.REFUSED,
    "code_not_listed": Kind.REFUSED,
    "init_not_approved": Kind.DEVICE,
}


@pytest.mark.parametrize("wire", REFUSED)
def test_a_definite_no(client_of: Callable[..., EtimsClient], office: Office, wire: str) -> None:
    office.answers_with(wire)
    error = fails(lambda: sell(client_of("oscu_gateway")), EtimsRefused)
    assert error.meaning.kind is REFUSED[wire]
    assert error.permanent
    assert error.message.endswith(".")
    assert len(office.asked) == 1
    if wire.startswith("gateway"):
        header = load_wire(wire)["body"]["responseHeader"]
        assert error.request_id == header["responseRefID"]
        assert error.text == (header["debugMessage"] or header["customerMessage"])
        assert error.text


def test_the_number_of_a_sequence_error(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    client = client_of("oscu_gateway")
    for wire, operation, number in (
        ("gateway_refused", "save_sale", 6),
        ("gateway_refused_number_taken", "save_sale", 6),
        ("gateway_item_sequence", "save_item", 13),
        ("gateway_stock_sequence", "save_stock_io", 3),
    ):
        office.answers_with(wire)
        error = fails(lambda: client.call(operation, {}), EtimsRefused)  # noqa: B023
        assert error.meaning.expected == number
        assert str(number) in error.message


IN_DOUBT = [
    "html_500", "html_200", "empty_200", "gave_up_408", "busy_429", "gateway_fault_500",
    "sale_unsigned", "nothing_found",
]  # fmt: skip


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("wire", IN_DOUBT)
def test_what_leaves_a_sale_in_doubt(
    client_of: Callable[..., EtimsClient], office: Office, wire: str, transport: str
) -> None:
    office.answers_with(wire)
    fails(lambda: sell(client_of(transport)), OutcomeUnknown)
    assert len(office.asked) == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_lost_answer_of_a_sale_is_not_sent_again(
    client_of: Callable[..., EtimsClient], office: Office, transport: str
) -> None:
    office.answers_with("drop", "sale_signed")
    error = fails(lambda: sell(client_of(transport)), TransportError)
    assert error.sent
    assert len(office.asked) == 1


def test_a_sale_that_never_left_says_so(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    client = client_of()
    office.server.stop()
    error = fails(lambda: sell(client), TransportError)
    assert not error.sent


@pytest.mark.parametrize("code", ["894", "896", "899", "991", "992", "993", "999"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_codes_that_prove_nothing_about_a_write(
    client_of: Callable[..., EtimsClient], office: Office, code: str, transport: str
) -> None:
    office.answers_json({"resultCd": code, "resultMsg": "x", "data": None})
    client = client_of(transport)
    if transport == "vscu" and code == "899":
        error = fails(lambda: sell(client), EtimsRefused)
        assert error.meaning.kind is Kind.DUPLICATE
        assert not error.meaning.is_certain
        return
    error = fails(lambda: sell(client), OutcomeUnknown)
    assert error.code == code


def test_duplicates_go_by_the_settings(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    for code in ("994", "921"):
        office.answers_json({"resultCd": code, "resultMsg": "x", "data": None})
        error = fails(lambda: sell(client_of()), EtimsRefused)
        assert error.meaning.kind is Kind.DUPLICATE
    fails(lambda: sell(client_of(duplicate_codes="994")), OutcomeUnknown)
    fails(lambda: sell(client_of("vscu", vscu_duplicate_codes="994 899")), OutcomeUnknown)


@pytest.mark.parametrize(
    "wire", ["gateway_invalid_token", "gateway_expired_token_401", "gateway_expired_token_500"]
)
def test_a_refused_token_is_renewed_once(
    client_of: Callable[..., EtimsClient], office: Office, wire: str
) -> None:
    client = client_of("oscu_gateway")
    office.answers_with(wire, "gateway_sale_signed")
    assert sell(client).signature
    assert (len(office.asked), len(office.tokens_asked)) == (2, 2)
    office.answers_with(wire)
    error = fails(lambda: sell(client), ProviderError)
    assert (error.code, error.permanent) == ("bad_credentials", True)
    assert "twice" in error.message
    assert len(office.asked) == 4


def test_another_fault_of_the_gateway_renews_no_token(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.answers_with("gateway_fault_500")
    fails(lambda: sell(client_of("oscu_gateway")), OutcomeUnknown)
    assert (len(office.asked), len(office.tokens_asked)) == (1, 1)


@pytest.mark.parametrize("wire", ["token_refused_empty", "token_refused_words"])
def test_wrong_credentials_are_told_and_nothing_is_sent(
    client_of: Callable[..., EtimsClient], office: Office, wire: str
) -> None:
    office.token = reply_of(wire)
    office.answers_with("gateway_sale_signed")
    error = fails(lambda: sell(client_of("oscu_gateway")), ProviderError)
    assert (error.code, error.permanent) == ("bad_credentials", True)
    assert office.asked == []
    assert len(office.tokens_asked) == 1


def test_a_token_that_cannot_be_had_leaves_the_sale_unsent(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.token = drop
    office.answers_with("gateway_sale_signed")
    error = fails(lambda: sell(client_of("oscu_gateway")), TransportError)
    assert not error.sent
    assert office.asked == []


def test_an_app_without_keys_is_told(client_of: Callable[..., EtimsClient]) -> None:
    client = client_of("oscu_gateway", client_id="")
    error = fails(lambda: sell(client), ConfigurationError)
    assert "client id" in error.message


def test_one_pair_has_one_token_for_all_its_branches(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.token = reply_of("token_number")
    office.answers_with("gateway_sale_signed")
    sell(client_of("oscu_gateway"))
    sell(client_of("oscu_gateway", branch_code="01"))
    assert len(office.tokens_asked) == 1


def test_a_device_is_initialised(client_of: Callable[..., EtimsClient], office: Office) -> None:
    wire = load_wire("init_done")["body"]["data"]["info"]
    for transport, answer in (
        ("oscu_direct", "init_done"),
        ("oscu_direct", "init_done_misspelt"),
        ("oscu_gateway", "gateway_init_done"),
        ("vscu", "init_done"),
    ):
        office.answers_with(answer)
        device = client_of(transport).initialise()
        assert device.communication_key == wire["cmcKey"]
        assert wire["cmcKey"] not in repr(device)
        assert (device.control_unit_id, device.mrc_no) == (wire["sdcId"], wire["mrcNo"])
        assert device.taxpayer_name == wire["taxprNm"]
        assert "cmcKey" not in device.details
        assert office.body() == load_wire("init_request")["body"]
        assert [office.header(name) for name in ("tin", "bhfId", "cmcKey")] == [None] * 3


def test_a_second_initialisation_is_told_apart(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.answers_with("init_before")
    error = fails(lambda: client_of().initialise(), EtimsRefused)
    assert (error.code, error.meaning.kind) == ("902", Kind.DEVICE)
    assert "Paste" in error.message
    office.answers_with("drop", "init_done")
    assert fails(lambda: client_of().initialise(), TransportError).sent
    assert len(office.asked) == 2


def test_an_initialisation_without_its_key_is_in_doubt(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.answers_with("sale_unsigned")
    fails(lambda: client_of().initialise(), OutcomeUnknown)
    fails(lambda: client_of(device_serial="").initialise(), ConfigurationError)
    assert len(office.asked) == 1


def test_what_kra_has_under_a_number(client_of: Callable[..., EtimsClient], office: Office) -> None:
    office.answers_with("invoice_found")
    found = client_of().find_invoice(5)
    assert found is not None
    assert office.body() == {**load_wire("invoice_request")["body"], "cmcKey": KEY}
    assert (found.trader_number, found.customer_pin) == ("INV-2026-000123", "P051987654Z")
    assert (found.total, found.is_credit_note) == (Decimal("3842.25"), False)
    assert found.receipt is not None
    assert found.receipt.signed_at == SIGNED_AT.replace(microsecond=123456)
    office.answers_with("gateway_invoice_found")
    again = client_of("oscu_gateway").find_invoice(5)
    assert again is not None
    assert (again.customer_pin, again.is_credit_note) == ("", None)
    assert again.receipt is not None
    assert again.receipt.receipt_number == 7
    office.answers_with("invoice_found")
    assert client_of().find_invoice(6) is None
    office.answers_with("nothing_found")
    assert client_of().find_invoice(5) is None
    fails(lambda: client_of("vscu").find_invoice(5), Unsupported)


def test_reads_are_repeated_where_that_helps(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    for lost in ("drop", "html_500", "busy_429"):
        office.answers_with(lost, "code_list")
        assert client_of().call("code_list").data["clsList"]
    for code in ("894", "896", "990", "991", "992", "993", "999"):
        office.answers_json({"resultCd": code, "resultMsg": "x", "data": None})
        office.answers.append(reply_of("code_list"))
        assert client_of().call("code_list").result_at == "20261123101500"


@pytest.mark.parametrize("code", ["895", "899", "900", "901", "910", "912", "913", "995", "E04"])
def test_reads_that_are_refused_are_not_repeated(
    client_of: Callable[..., EtimsClient], office: Office, code: str
) -> None:
    office.answers_json({"resultCd": code, "resultMsg": "x", "data": None})
    kind = TransportError if code == "899" else EtimsRefused
    fails(lambda: client_of().call("code_list"), kind)
    assert len(office.asked) == 1


def test_a_read_ends_with_what_kra_said_last(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.answers_json({"resultCd": "990", "resultMsg": "x", "data": None})
    error = fails(lambda: client_of().call("code_list"), EtimsRefused)
    assert (error.meaning.kind, error.permanent) == (Kind.BUSY, False)
    office.answers_with("html_200")
    assert fails(lambda: client_of().call("code_list"), TransportError).sent


def test_an_empty_list_is_a_success(client_of: Callable[..., EtimsClient], office: Office) -> None:
    office.answers_with("nothing_found")
    for operation in READS:
        if PATHS[operation][0]:
            reply = client_of().call(operation)
            assert reply.is_empty
            assert reply.data == {}


def test_after_its_deadline_nothing_leaves(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.answers_with("sale_signed")
    client = client_of()
    error = fails(lambda: client.send_sale(BODY, deadline=time.monotonic() - 1), TransportError)
    assert (error.sent, error.code) == (False, "timeout")
    assert office.server.requests == []


def test_silence_ends_with_the_deadline(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    # Far longer than the deadline, and shorter than the read timeout of the settings.
    office.answers = [lambda _handler, _request: office.server.stopping.wait(20)]
    client = client_of()
    started = time.monotonic()
    error = fails(lambda: client.call("notices", deadline=started + 0.3), TransportError)
    assert time.monotonic() - started < 10
    assert (error.sent, error.code) == (True, "timeout")


def test_no_repetition_begins_past_the_deadline(
    client_of: Callable[..., EtimsClient], office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The next try would be due long after it.
    monkeypatch.setattr("random.uniform", lambda _low, _high: 1000.0)
    office.answers_json({"resultCd": "990", "resultMsg": "x", "data": None})
    client = client_of()
    fails(lambda: client.call("notices", deadline=time.monotonic() + 20), EtimsRefused)
    assert len(office.asked) == 1


def test_the_second_call_of_a_sale_never_costs_its_signature(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    client = client_of("vscu", is_invoice_saved_twice=True)
    office.answers_with("vscu_sale_signed", "sale_unsigned")
    assert sell(client).warning == ""
    first, second = (request.path for request in office.asked)
    assert (first, second) == ("/etims/trnsSales/saveSales", "/etims/trnsSales/saveInvoice")
    assert office.body(0) == office.body(1)
    office.answers_with("vscu_sale_signed", "drop")
    signed = sell(client)
    assert signed.signature
    assert "saveInvoice" in signed.warning
    office.answers_with("sale_unsigned", "vscu_sale_signed")
    assert sell(client).signature


def test_a_connection_is_tested_without_initialising(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    for transport in TRANSPORTS:
        office.answers_with("nothing_found")
        text = client_of(transport).check()
        assert "P051234567X branch 00" in text
        assert all("nit" not in request.path for request in office.asked)
    error = fails(lambda: client_of(communication_key="").check(), ConfigurationError)
    assert error.code == "device_not_ready"
    office.answers_json({"resultCd": "901", "resultMsg": "x", "data": None})
    assert "device" in fails(lambda: client_of().check(), EtimsRefused).message


@pytest.mark.django_db(transaction=True)
def test_every_call_is_recorded_with_its_outcome(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    client = client_of("oscu_gateway")
    for wire, outcome, code in (
        ("gateway_sale_signed", "ok", ""),
        ("gateway_refused", "refused", "400"),
        ("gateway_refused_inside_200", "refused", "400"),
        ("html_500", "unknown", "500"),
        ("empty_200", "unknown", "200"),
        ("drop", "unknown", "connection_lost"),
    ):
        office.answers_with(wire)
        with contextlib.suppress(IntegrationError):
            sell(client)
        flush()
        row = ProviderCall.objects.filter(operation="save_sale").latest("pk")
        assert (row.outcome, row.error_code, row.reference) == (outcome, code, "INV-1"), wire


def test_a_huge_list_is_read(client_of: Callable[..., EtimsClient], office: Office) -> None:
    rows = [{"itemClsCd": f"{number:08}", "itemClsNm": "x" * 60} for number in range(50_000)]
    office.answers_json({"resultCd": "000", "resultMsg": "", "data": {"itemClsList": rows}})
    assert len(client_of().call("item_classes").data["itemClsList"]) == 50_000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"resultCd": "0"}, "000"),
        ({"resultCd": "00"}, "000"),
        ({"resultCd": "0000"}, "000"),
        ({"resultCd": 0}, "000"),
        ({"resultCd ": "000"}, "000"),
        ({"resultCd": 1}, "001"),
        ({"responseBody": {"resultCd": "000"}}, "000"),
        ({"responseHeader": {"responseCode": "200"}, "resultCd": "000"}, "000"),
    ],
)
def test_success_in_every_spelling(
    client_of: Callable[..., EtimsClient], office: Office, body: Any, code: str
) -> None:
    office.answers_json(body)
    assert client_of().call("notices").code == code


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": {"rcptSign": "X"}},
        {"responseHeader": {"responseCode": 200}, "responseBody": None},
        {"responseHeader": {"responseCode": 500}, "responseBody": {"resultCd": "000"}},
    ],
)
def test_an_answer_that_says_nothing_leaves_a_write_in_doubt(
    client_of: Callable[..., EtimsClient], office: Office, body: Any
) -> None:
    office.answers_json(body)
    fails(lambda: sell(client_of()), OutcomeUnknown)


def test_secrets_that_come_back_are_hidden(
    client_of: Callable[..., EtimsClient], office: Office
) -> None:
    office.answers_json({"resultCd": "910", "resultMsg": f"cmcKey={KEY} is {KEY}", "data": None})
    error = fails(lambda: sell(client_of()), EtimsRefused)
    assert KEY not in error.message + error.text + repr(error)
