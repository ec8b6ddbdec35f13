"""KRA over HTTP: documents from handing in to receipts, branches, settings; real calls to the
emulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from integrations.api.kra_serializers import InvoiceSerializer, LineSerializer
from integrations.config import clear_cache
from integrations.exceptions import InvalidInput
from integrations.kra.documents.read import read_invoice
from integrations.kra.outbox import holds
from integrations.models import (
    AuditEntry,
    BusinessGrant,
    KRABranch,
    KRAInvoice,
    KRASettings,
)
from tests.api.conftest import logged_in, user_with, with_token
from tests.hunt.plants import planted
from tests.hunt.spool import spool
from tests.kra.conftest import kra_values
from tests.kra.outbox.conftest import Shop, drain, work_on
from tests.sandbox.driver import SandboxDriver

API = "/api/v1/integrations/"
INVOICES, BRANCHES, SETTINGS = f"{API}kra/invoices/", f"{API}kra/branches/", f"{API}kra-settings/"
RIGHTS = (
    "view_krainvoice", "submit_krainvoice", "resend_krainvoice", "settle_krainvoice",
    "view_krabranch", "release_krabranch", "view_krasettings", "add_krasettings",
    "change_krasettings", "initialise_krabranch",
)  # fmt: skip


@pytest.fixture
def client(transactional_db: None) -> APIClient:
    return with_token(
        user_with(*RIGHTS, is_staff=True), "tax:read", "tax:write", "settings:read",
        "settings:write", "health:read",
    )  # fmt: skip


def one(invoice: KRAInvoice | str, action: str = "") -> str:
    found = invoice if isinstance(invoice, str) else str(invoice.public_id)
    return f"{INVOICES}{found}/{action}"


# --- handing in ---------------------------------------------------------------------------------


def test_an_invoice_is_handed_in_signed_and_printed(client: APIClient, shop: Shop) -> None:
    answer = client.post(INVOICES, shop.invoice())
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert told["success"] is True
    assert told["invoice"]["state"] == "queued"
    assert told["invoice"]["number"] is None
    drain()
    read = client.get(one(told["invoice"]["invoice_id"])).json()
    assert (read["state"], read["number"], read["is_final"]) == ("signed", 1, True)
    assert (read["total"], read["tax"], read["attempts"]) == ("2320.00", "320.00", 1)
    [sold] = shop.book()
    assert read["signature"] == sold["signature"]
    assert read["qr"].endswith(f"P051234567X00{sold['signature']}")
    assert read["control_number"] == f"{read['control_unit_id']}/1"
    assert [event["to_state"] for event in read["events"]][-1] == "signed"


def test_the_documented_simple_form_is_taken(client: APIClient, shop: Shop) -> None:
    simple = {
        "invoice_number": "INV-1", "issue_date": "2026-11-23",
        "customer": {"name": "Mwangi & Sons", "kra_pin": "P051987654Z"},
        "totals": {"subtotal": 2000, "tax_amount": 320.0, "total": "2320.00"},
        "items": [{"description": "Sugar 1 kg", "quantity": 2, "unit_price": 1000,
                   "tax_rate": 16, "total": 2320}],
    }  # fmt: skip
    answer = client.post(f"{INVOICES}?wait=10", simple)
    assert answer.status_code == 201, answer.content
    invoice = answer.json()["invoice"]
    assert (invoice["state"], invoice["trader_number"]) == ("signed", "INV-1")
    assert (invoice["customer_pin"], invoice["total"]) == ("P051987654Z", "2320.00")


def test_the_same_again_is_the_same_and_other_content_a_conflict(
    client: APIClient, shop: Shop
) -> None:
    body = shop.invoice()
    first = client.post(INVOICES, body).json()
    again = client.post(INVOICES, body)
    assert again.status_code == 200
    assert again.json()["invoice"]["invoice_id"] == first["invoice"]["invoice_id"]
    differs = client.post(INVOICES, {**body, "items": [shop.line(quantity="3")]})
    assert differs.status_code == 409
    assert differs.json()["error"]["code"] == "invoice_differs"
    assert KRAInvoice.objects.count() == 1


def test_a_key_is_answered_once(client: APIClient, shop: Shop) -> None:
    body, key = shop.invoice(), {"Idempotency-Key": "invoice-1"}
    first = client.post(INVOICES, body, headers=key)
    again = client.post(INVOICES, body, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotency-Replayed"] == "true"
    other = client.post(INVOICES, shop.invoice(), headers=key)
    assert other.json()["error"]["code"] == "idempotency_mismatch"
    assert KRAInvoice.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"invoice_number": ""}, "invoice_number"),
        ({"issue_date": "soon"}, "issue_date"),
        ({"customer": {"name": "X", "kra_pin": "123"}}, "customer.kra_pin"),
        ({"items": []}, "items"),
        ({"items": [{"description": "Sugar 1 kg", "item_code": "KE2NTNO0000001",
                     "quantity": "-1", "unit_price": "10"}]}, "items[0].quantity"),
        ({"items": "x"}, "items"),
    ],
)  # fmt: skip
def test_bad_input_names_the_field_and_stores_nothing(
    client: APIClient, shop: Shop, changes: dict[str, Any], field: str
) -> None:
    answer = client.post(INVOICES, {**shop.invoice(), **changes})
    assert answer.status_code == 400, answer.content
    assert answer.json()["error"]["field"] == field
    assert not KRAInvoice.objects.exists()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"invoce_date": "x"}, "invoce_date"),
        ({"customer": {"nmae": "X"}}, "customer.nmae"),
        ({"items": [{}, {"qty": 1}]}, "items[1].qty"),
    ],
)
def test_a_name_with_a_typing_error_is_refused(
    client: APIClient, shop: Shop, changes: dict[str, Any], name: str
) -> None:
    error = client.post(INVOICES, {**shop.invoice(), **changes}).json()["error"]
    assert error["code"] == "unknown_field"
    assert name in error["detail"]
    assert not KRAInvoice.objects.exists()


@pytest.mark.parametrize("wait", ["-1", "31", "x", "1.5", "²"])
def test_a_wait_that_is_none_is_refused(client: APIClient, shop: Shop, wait: str) -> None:
    answer = client.post(f"{INVOICES}?wait={wait}", shop.invoice())
    assert answer.status_code == 400
    assert not KRAInvoice.objects.exists()


def test_without_settings_it_says_so(client: APIClient) -> None:
    answer = client.post(INVOICES, {"invoice_number": "1", "issue_date": "2026-11-23"})
    assert answer.status_code == 503
    assert answer.json()["error"]["help"]


# --- reading ------------------------------------------------------------------------------------


def test_the_list_filters_and_pages(client: APIClient, open_shop: Callable[..., Shop]) -> None:
    here, there = open_shop(), open_shop(branch="01")
    for _ in range(3):
        here.submit()
    other = there.submit()
    client_of = lambda query: client.get(f"{INVOICES}?{query}").json()["results"]  # noqa: E731
    assert len(client_of("")) == 4
    assert [row["trader_number"] for row in client_of("branch=01")] == [other.trader_number]
    assert len(client_of("state=queued&state=signed")) == 4
    assert client_of("state=signed") == []
    assert len(client_of(f"trader_number={other.trader_number}")) == 1
    assert len(client_of("business=")) == 4
    assert client_of("business=other") == []
    assert client_of("created_before=2020-01-01T00:00:00Z") == []
    assert client_of("needs_attention=true") == []
    page = client.get(f"{INVOICES}?page_size=3").json()
    assert len(page["results"]) == 3
    assert len(client.get(page["next"]).json()["results"]) == 1
    for bad in ("state=lost", "sate=queued", "number=x", "created_after=soon", "original=x"):
        assert client.get(f"{INVOICES}?{bad}").status_code == 400, bad


def test_the_number_finds_it(client: APIClient, shop: Shop) -> None:
    shop.submit()
    drain()
    assert len(client.get(f"{INVOICES}?number=1").json()["results"]) == 1
    assert client.get(f"{INVOICES}?number=2").json()["results"] == []
    assert client.get(f"{INVOICES}?number=1.5").json()["results"] == []


def test_receipts_in_every_form(client: APIClient, shop: Shop) -> None:
    invoice = shop.submit()
    early = client.get(one(invoice, "receipt/"))
    assert early.json()["is_signed"] is False
    no_code = client.get(one(invoice, "receipt/?format=png"))
    assert (no_code.status_code, no_code.json()["error"]["code"]) == (409, "not_signed")
    drain()
    told = client.get(one(invoice, "receipt/")).json()
    assert (told["label"], told["is_signed"], told["total"]) == ("NS", True, "2320.00")
    png = client.get(one(invoice, "receipt/?format=png"))
    assert (png["Content-Type"], png.content[:4]) == ("image/png", b"\x89PNG")
    assert client.head(one(invoice, "receipt/?format=pdf")).status_code == 200
    pdf = client.get(one(invoice, "receipt/?format=pdf"), headers={"Accept": "application/pdf"})
    assert (pdf["Content-Type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    page = client.get(one(invoice, "receipt/?format=html"))
    assert page["Content-Type"].startswith("text/html")
    assert b"COPY" in page.content.upper()
    again = client.get(one(invoice, "receipt/?format=html&copy=false"))
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_printed")
    invoice.refresh_from_db()
    assert invoice.times_printed == 2
    for bad in ("format=doc", "copy=maybe", "size=a3", "foo=1"):
        assert client.get(one(invoice, f"receipt/?{bad}")).status_code == 400, bad


def test_who_may_only_look_gets_copies(client: APIClient, shop: Shop) -> None:
    invoice = shop.submit()
    drain()
    reader = with_token(user_with("view_krainvoice"), "tax:read", "tax:write")
    narrow = with_token(user_with(*RIGHTS, is_staff=True), "tax:read")
    for each in (reader, narrow):
        page = each.get(one(invoice, "receipt/?format=html"))
        assert page.status_code == 200, page.content
        assert b"COPY" in page.content.upper()
        assert each.get(one(invoice, "receipt/?format=pdf&copy=false")).status_code == 403
        assert each.get(one(invoice, "receipt/")).json()["label"] == "NS"
    original = client.get(one(invoice, "receipt/?format=html&copy=false"))
    assert original.status_code == 200 and b"COPY" not in original.content.upper()


# --- credit notes, doubts -----------------------------------------------------------------------


def test_an_invoice_is_credited_in_part_and_no_further(client: APIClient, shop: Shop) -> None:
    invoice = shop.submit()
    drain()
    part = {
        "invoice_number": "CN-1", "reason": "06",
        "items": [{"original_line": 1, "quantity": "1", "description": "Sugar 1 kg"}],
    }  # fmt: skip
    answer = client.post(one(invoice, "credit/?wait=10"), part)
    assert answer.status_code == 201, answer.content
    note = answer.json()["invoice"]
    assert (note["kind"], note["state"], note["total"]) == ("credit_note", "signed", "1160.00")
    assert note["original"] == str(invoice.public_id)
    rest = client.post(one(invoice, "credit/"), {"invoice_number": "CN-2", "reason": "06"})
    assert rest.json()["invoice"]["total"] == "1160.00"
    again = client.post(one(invoice, "credit/"), {"invoice_number": "CN-2", "reason": "06"})
    assert (again.status_code, again.json()["invoice"]) == (200, rest.json()["invoice"])
    over = client.post(one(invoice, "credit/"), {"invoice_number": "CN-3", "reason": "06"})
    assert over.status_code == 400
    assert KRAInvoice.objects.count() == 3
    assert len(client.get(one(invoice)).json()["credit_notes"]) == 2


def test_a_rejected_one_is_sent_again(client: APIClient, shop: Shop) -> None:
    shop.sandbox.kra_fault("result_code", code="910", operation="save_sale")
    invoice = shop.submit()
    drain()
    read = client.get(one(invoice)).json()
    assert (read["state"], read["result_code"], read["number"]) == ("rejected", "910", None)
    assert read["message"]
    answer = client.post(one(invoice, "resend/"))
    assert answer.json()["counts"] == {"asked": 0, "queued": 1, "left": 0, "refused": 0}
    work_on()
    assert client.get(one(invoice)).json()["state"] == "signed"
    many = client.post(f"{INVOICES}verify/", {"invoice_ids": [str(invoice.public_id)]})
    assert many.json()["counts"]["left"] == 1
    assert len(shop.book()) == 1


def test_verifying_refuses_all_for_one_unknown(client: APIClient, shop: Shop) -> None:
    invoice = shop.submit()
    ids = [str(invoice.public_id), "7c0f3a9e-5d1b-4f0c-8a77-2f6f0c1d9b42"]
    assert client.post(f"{INVOICES}verify/", {"invoice_ids": ids}).status_code == 404
    assert client.post(f"{INVOICES}verify/", {"invoice_ids": []}).status_code == 400


def test_a_person_settles_a_doubt(client: APIClient, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop("vscu")  # which can't be asked
    shop.sandbox.kra_fault("lose_answer", operation="save_sale")
    invoice = shop.submit()
    drain()
    invoice.refresh_from_db()
    assert invoice.state == "in_doubt"
    bad: dict[str, dict[str, Any]] = {
        "signature": {"taken": True, "note": "x"},
        "taken": {"taken": False, "note": "x", "signature": "ABC"},
        "note": {"taken": False},
    }
    for field, body in bad.items():
        answer = client.post(one(invoice, "settle/"), body)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
    [sold] = shop.book()
    told = {"taken": True, "note": "Read off the VSCU.", "signature": sold["signature"]}
    answer = client.post(one(invoice, "settle/"), told)
    assert (answer.status_code, answer.json()["state"]) == (200, "signed"), answer.content
    again = client.post(one(invoice, "settle/"), told)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "not_open")
    assert AuditEntry.objects.filter(action="kra.invoice_settled").count() == 1


# --- branches -----------------------------------------------------------------------------------


def test_a_held_branch_is_shown_and_released(client: APIClient, shop: Shop) -> None:
    shop.submit()
    holds.hold(shop.unit.pk, "KRA does not accept this device.", code="device")
    [told] = client.get(BRANCHES).json()["results"]
    assert (told["pin"], told["branch"], told["waiting"]) == ("P051234567X", "00", 1)
    assert (told["is_held"], told["next_number"]) == (True, 1)
    assert told["oldest_waiting_at"]
    url = f"{BRANCHES}{told['branch_id']}/"
    assert client.get(url).json() == told
    assert len(client.get(f"{BRANCHES}?is_held=true").json()["results"]) == 1
    assert client.get(f"{BRANCHES}?is_held=false").json()["results"] == []
    answer = client.post(f"{url}release/", {"note": "Repaired."})
    assert (answer.status_code, answer.json()["released"]) == (200, True), answer.content
    assert answer.json()["branch"]["is_held"] is False
    assert client.post(f"{url}release/", {"next_number": 0}).status_code == 400
    drain()
    taken = client.post(f"{url}release/", {"next_number": 1})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "number_taken")


def test_the_schema_tells_as_many_decimals_as_are_taken() -> None:
    """By the documents' own rule, which the body is checked by."""
    places = {
        **{f"items.{name}": field for name, field in LineSerializer().fields.items()},
        **InvoiceSerializer().fields,
    }
    for path, decimals in (("exchange_rate", 8), ("items.quantity", 2), ("items.unit_price", 6),
                           ("items.total", 2), ("items.tax_rate", 2)):  # fmt: skip
        assert places[path].decimal_places == decimals, path
    given = {"invoice_number": "1", "issue_date": "2026-11-23", "prices_include_tax": True}
    line = {"description": "Sugar", "quantity": "0.25", "unit_price": "1.123456"}
    read = read_invoice({**given, "currency": "USD", "exchange_rate": "129.12345678",
                         "items": [line]})  # fmt: skip
    assert str(read.exchange_rate) == "129.12345678"
    with pytest.raises(InvalidInput, match="2 decimals"):
        read_invoice({**given, "items": [{**line, "quantity": "0.255"}]})


# --- settings -----------------------------------------------------------------------------------


def test_settings_are_kept_over_http(client: APIClient, kra_hosts: SandboxDriver) -> None:
    bare = client.get(f"{SETTINGS}current/").json()
    documented = {"mode", "base_url", "token_path", "invoice_path", "invoice_status_path"}
    assert documented <= set(bare)
    assert (bare["mode"], bare["configured"]) == ("sandbox", False)
    values = {**kra_values(kra_hosts), "mode": "sandbox"}
    made = client.post(SETTINGS, values)
    assert made.status_code == 201, made.content
    row = made.json()
    assert "client_secret" not in row
    assert row["client_secret_preview"].startswith("set, fingerprint")
    documented |= {
        "id", "integration", "kra_pin", "branch_code", "username", "device_serial", "pos_serial",
        "client_id_preview", "client_secret_preview", "password_preview", "created_at",
        "updated_at",
    }  # fmt: skip
    assert documented <= set(row)
    changed = client.patch(f"{SETTINGS}{row['id']}/", {"trade_name": "Duka"})
    assert changed.json()["trade_name"] == "Duka"
    assert client.get(f"{SETTINGS}current/").json()["id"] == row["id"]
    wrong = client.patch(f"{SETTINGS}{row['id']}/", {"mode": "live"})
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (400, "mode")
    both = {"mode": "sandbox", "environment": "production"}
    assert client.patch(f"{SETTINGS}{row['id']}/", both).status_code == 400


def test_the_form_of_a_pin(client: APIClient) -> None:
    url = f"{SETTINGS}validate_pin/"
    for name in ("pin", "kra_pin"):
        answer = client.post(url, {name: " p051234567x "})
        assert answer.json() == {"success": True, "result": {"valid": True, "pin": "P051234567X"}}
    for body in ({"pin": "123"}, {}):
        refused = client.post(url, body)
        assert refused.status_code == 400
        assert refused.json()["success"] is False
        assert refused.json()["error"]["detail"] == "Invalid PIN format"


def test_a_device_is_initialised_once(client: APIClient, kra_row: KRASettings) -> None:
    sandbox = SandboxDriver(kra_row.sandbox_url.split("/kra/")[0])
    sandbox.kra("approve", serial=kra_row.device_serial, software="oscu")
    url = f"{SETTINGS}{kra_row.pk}/initialise/"
    unsure = client.post(url, {"confirm": False})
    assert (unsure.status_code, unsure.json()["error"]["code"]) == (409, "confirmation_needed")
    assert client.post(url, {}).status_code == 400
    done = client.post(url, {"confirm": True})
    assert done.status_code == 200, done.content
    kra_row.refresh_from_db()
    key = kra_row.communication_key.reveal()
    spool.learn("communication key", key)
    assert key
    assert key not in done.content.decode()
    assert done.json()["device"]["is_ready"] is True
    again = client.post(url, {"confirm": True})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "device_ready")
    assert AuditEntry.objects.filter(action="kra.device_initialised").count() == 1
    health = client.get(f"{API}health/kra/").json()
    assert (health["status"], health["connected"]) == ("healthy", True), health
    tested = client.post(f"{SETTINGS}{kra_row.pk}/test/").json()
    assert tested["success"] is True


# --- who may ------------------------------------------------------------------------------------


def test_a_stranger_sees_nothing(client: APIClient, shop: Shop) -> None:
    invoice = shop.submit()
    BusinessGrant.objects.create(user=user_with(), business="other")
    stranger = with_token(user_with(*RIGHTS, is_staff=True, businesses=("b2",)),
                          "tax:read", "tax:write", "settings:write")  # fmt: skip
    assert stranger.get(INVOICES).json()["results"] == []
    assert stranger.get(BRANCHES).json()["results"] == []
    for method, url in (
        ("get", one(invoice)), ("get", one(invoice, "receipt/")),
        ("post", one(invoice, "credit/")), ("post", one(invoice, "resend/")),
        ("get", f"{BRANCHES}{shop.unit.pk}/"), ("post", f"{BRANCHES}{shop.unit.pk}/release/"),
    ):  # fmt: skip
        assert getattr(stranger, method)(url, {}).status_code == 404, url
    refused = stranger.post(INVOICES, {**shop.invoice(), "business": ""})
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("url", "right"),
    [
        (INVOICES, "submit_krainvoice"),
        (f"{INVOICES}verify/", "resend_krainvoice"),
        (f"{INVOICES}7/settle/", "settle_krainvoice"),
        (f"{BRANCHES}7/release/", "release_krabranch"),
        (f"{SETTINGS}7/initialise/", "initialise_krabranch"),
    ],
)
def test_each_act_has_a_right_of_its_own(transactional_db: None, url: str, right: str) -> None:
    others = [name for name in RIGHTS if name != right]
    without = logged_in(user_with(*others, is_staff=True))
    answer = without.post(url, {})
    assert answer.status_code == 403
    assert right in str(answer.json())
    reading = with_token(user_with(*RIGHTS, is_staff=True), "tax:read")
    assert reading.post(url, {}).status_code == 403


def test_texts_that_no_id_is_are_not_found(client: APIClient, shop: Shop) -> None:
    for bad in ("7", "x", "00000000-0000-0000-0000-000000000000", planted("API token")):
        assert client.get(f"{INVOICES}{bad}/").status_code == 404
        assert client.get(f"{BRANCHES}{bad}/").status_code == 404
    clear_cache()
    assert KRABranch.objects.count() == 0
