"""`payments/`: the ledger over HTTP, its filters, its pages, and one push."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from integrations.models import AuditEntry, MpesaSettings, Payment, PaymentState
from tests.api.conftest import logged_in, user_with, with_token
from tests.conftest import CONSUMER_KEY, mpesa_values
from tests.hunt.plants import planted
from tests.sandbox.driver import SandboxDriver

URL = "/api/v1/integrations/payments/"
PUSH = f"{URL}stk-push/"
ASKED = {"phone": "0712 345 678", "amount": 10, "account_reference": "INV001"}
RIGHTS = ("view_payment", "push_payment", "ask_payment")


@pytest.fixture
def client(transactional_db: None) -> APIClient:
    return logged_in(user_with(*RIGHTS))


def pay(**changes: Any) -> Payment:
    """A payment as it stands in the ledger."""
    values: dict[str, Any] = {
        "provider": "mpesa", "product": "stk_push", "environment": "sandbox", "amount": 10,
        "phone": "254712345678", "account_reference": "INV001", "state": PaymentState.SUCCEEDED,
        "next_attempt_at": None,
    }  # fmt: skip
    return Payment.objects.create(**{**values, **changes})


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.json()
    return [each["payment_id"] for each in answer.json()["results"]]


def test_a_payment_is_read_with_its_history(
    client: APIClient, mpesa: MpesaSettings, settle: Callable[[], None]
) -> None:
    pushed = client.post(PUSH, ASKED)
    assert pushed.status_code == 201, pushed.json()
    settle()
    body = client.get(f"{URL}{pushed.json()['payment_id']}/").json()
    assert (body["state"], body["amount"], body["currency"]) == ("succeeded", "10.00", "KES")
    assert (body["phone"], body["needs_attention"]) == ("254712345678", False)
    assert body["receipt"]
    assert [each["kind"] for each in body["events"]][:2] == ["created", "accepted"]
    [listed] = client.get(URL).json()["results"]
    only_here = {"events", "reversed_amount", "net_amount"}
    assert listed == {name: value for name, value in body.items() if name not in only_here}
    assert (body["reversed_amount"], body["net_amount"]) == ("0.00", "10.00")
    assert (body["direction"], body["product"], body["original"]) == ("in", "stk_push", None)


def test_money_in_and_out_are_told_apart(client: APIClient) -> None:
    paid = pay()
    out = pay(direction="out", product="b2c")
    back = pay(direction="out", product="reversal", original=paid)
    assert ids(client.get(URL, {"direction": "in"})) == [str(paid.public_id)]
    assert ids(client.get(URL, {"direction": "out"})) == [str(back.public_id), str(out.public_id)]
    assert ids(client.get(URL, {"product": "b2c"})) == [str(out.public_id)]
    two = client.get(URL, {"product": ["b2c", "reversal"]})
    assert ids(two) == [str(back.public_id), str(out.public_id)]
    [found] = client.get(URL, {"original": str(paid.public_id)}).json()["results"]
    assert (found["payment_id"], found["original"]) == (str(back.public_id), str(paid.public_id))
    body = client.get(f"{URL}{paid.public_id}/").json()
    assert (body["reversed_amount"], body["net_amount"]) == ("10.00", "0.00")
    assert client.get(URL, {"direction": "sideways"}).status_code == 400


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=failed", ["failed"]),
        ("state=failed&state=succeeded", ["failed", "good"]),
        ("environment=production", ["live"]),
        ("account_reference=INV009", ["live"]),
        ("phone=0711%20000%20001", ["failed"]),
        ("phone=%2B254711000001", ["failed"]),
        ("receipt=uae4x7k2qp", ["good"]),
        ("needs_attention=true", ["live"]),
        ("needs_attention=false&environment=sandbox", ["failed", "good"]),
        ("created_after=2000-01-01T00:00:00Z", ["live", "failed", "good"]),
        ("created_before=2000-01-01T00:00:00Z", []),
        ("business=", ["live", "failed", "good"]),
        ("business=b1", []),
    ],
)
def test_filters_narrow(client: APIClient, query: str, found: list[str]) -> None:
    made = {
        "good": pay(receipt="UAE4X7K2QP"),
        "failed": pay(state=PaymentState.FAILED, phone="254711000001"),
        "live": pay(environment="production", account_reference="INV009", attention="Look.",
                    state=PaymentState.UNKNOWN),
    }  # fmt: skip
    pay(business="b1")
    assert ids(client.get(f"{URL}?{query}")) == [str(made[name].public_id) for name in found]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=lost", "state"),
        ("phone=12", "phone"),
        ("created_after=yesterday", "created_after"),
        ("stat=failed", "stat"),
        ("environment=moon", "environment"),
        ("account_reference=%00", "account_reference"),
        ("cursor=" + "cD1hYmM%3D", "cursor"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(client: APIClient, query: str, field: str) -> None:
    answer = client.get(f"{URL}?{query}")
    assert answer.status_code == 400, answer.json()
    assert answer.json()["error"]["field"] == field


def test_a_broken_cursor_is_not_found(client: APIClient) -> None:
    assert client.get(f"{URL}?cursor=a").status_code == 404


def test_pages_neither_repeat_nor_lose_rows_while_others_come(
    client: APIClient, django_assert_num_queries: Any
) -> None:
    made = [str(pay().public_id) for _ in range(7)]
    seen: list[str] = []
    url: str | None = f"{URL}?page_size=3"
    while url:
        page = client.get(url)
        seen += ids(page)
        url = page.json()["next"]
        pay()
    assert seen == made[::-1]


def test_pages_of_a_span_of_time_are_in_its_order(client: APIClient) -> None:
    """By instant, as its index has them; among equal instants by id."""
    moments = ["2026-02-01T10:00Z", "2026-02-01T12:00Z", "2026-02-01T10:00Z", "2026-02-02T00:00Z"]
    made = [str(pay(created_at=moment).public_id) for moment in moments]
    span = "created_after=2026-02-01T00:00Z&created_before=2026-02-02T00:00Z"
    seen: list[str] = []
    url: str | None = f"{URL}?{span}&page_size=1"
    while url:
        page = client.get(url)
        seen += ids(page)
        url = page.json()["next"]
    assert seen == [made[1], made[2], made[0]]
    back = page.json()["previous"]
    assert ids(client.get(back)) == [made[2]]


@pytest.mark.parametrize("position", ["7", "yesterday", "2026-13-01 00:00:00+00:00", "2026-02-01"])
def test_a_cursor_of_another_order_is_refused(client: APIClient, position: str) -> None:
    cursor = b64encode(urlencode({"p": position}).encode()).decode()
    query = urlencode({"created_after": "2026-02-01T00:00Z", "cursor": cursor})
    answer = client.get(f"{URL}?{query}")
    assert answer.status_code == 400, answer.json()
    assert answer.json()["error"]["field"] == "cursor"


def test_a_list_costs_the_same_queries_however_long(client: APIClient) -> None:
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connections["default"]) as queries:
            client.get(URL)
        counts.append(len(queries))
        for _ in range(5):
            pay()
    assert counts[0] == counts[1]


def test_reading_asks_for_the_permission(transactional_db: None) -> None:
    payment = pay()
    for client, status in ((logged_in(user_with()), 403), (APIClient(), 401)):
        assert client.get(URL).status_code == status
        assert client.get(f"{URL}{payment.public_id}/").status_code == status


@pytest.mark.parametrize("name", ["3e52f03e-8f33-491b-b01e-38994cbb7120", "1", "x", "%00"])
def test_what_is_not_there_is_not_found(client: APIClient, name: str) -> None:
    assert client.get(f"{URL}{name}/").status_code == 404
    assert client.post(f"{URL}{name}/status/").status_code == 404


def test_a_strangers_payment_does_not_exist(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    theirs = pay(business="b1", checkout_id="ws_CO_1", state=PaymentState.PENDING)
    user = user_with(*RIGHTS, businesses=("b1", "b2"))
    narrow = with_token(user, "payments:read", "payments:write", business="b2")
    for client in (narrow, logged_in(user_with(*RIGHTS, businesses=("b2",)))):
        assert ids(client.get(URL)) == ids(client.get(f"{URL}?business=b1")) == []
        assert client.get(f"{URL}{theirs.public_id}/").status_code == 404
        assert client.post(f"{URL}{theirs.public_id}/status/").status_code == 404
        answer = client.post(PUSH, {**ASKED, "business": "b1"})
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "business_not_allowed"
    assert sandbox.prompts() == []


def test_a_push_prompts_the_payer(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    user = user_with("push_payment")
    answer = with_token(user, "payments:write").post(PUSH, ASKED)
    assert answer.status_code == 201, answer.json()
    body = answer.json()
    assert set(body) == {
        "success", "payment_id", "state", "checkout_id", "merchant_request_id", "message", "code",
        "retry_safe", "repeated",
    }  # fmt: skip
    assert (body["success"], body["state"], body["retry_safe"]) == (True, "pending", False)
    [prompt] = sandbox.prompts()
    assert prompt["checkout_request_id"] == body["checkout_id"]
    entry = AuditEntry.objects.get(action="payment.pushed")
    assert "API token ERP" in entry.actor_name


def test_a_push_goes_by_the_settings_of_its_business(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.shortcode("600000", planted("passkey"))
    MpesaSettings.objects.create(
        **mpesa_values(sandbox, business="duka", short_code="600000", passkey=planted("passkey"))
    )
    client = logged_in(user_with(*RIGHTS, businesses=("duka",)))
    answer = client.post(PUSH, ASKED)  # its only business needs no naming
    assert answer.status_code == 201, answer.json()
    payment = Payment.objects.get()
    assert (payment.business, payment.short_code) == ("duka", "600000")


def test_a_repeated_key_answers_for_the_first_push(
    client: APIClient, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    key = {"Idempotency-Key": "order-7"}
    first = client.post(PUSH, ASKED, headers=key)
    again = client.post(PUSH, ASKED, headers=key)
    by_field = client.post(PUSH, {**ASKED, "idempotency_key": "order-7"})
    assert (first.status_code, again.status_code, by_field.status_code) == (201, 200, 200)
    same = {"repeated": True}
    assert again.json() == by_field.json() == {**first.json(), **same}
    other = client.post(PUSH, {**ASKED, "amount": 11}, headers=key)
    assert other.status_code == 409
    error = other.json()["error"]
    assert (error["code"], error["field"]) == ("idempotency_mismatch", "idempotency_key")
    assert other.json()["payment_id"] == first.json()["payment_id"]
    both = client.post(PUSH, {**ASKED, "idempotency_key": "order-8"}, headers=key)
    assert both.status_code == 400
    assert len(sandbox.prompts()) == 1
    assert AuditEntry.objects.filter(action="payment.pushed").count() == 1


def test_of_two_pushes_at_once_under_one_key_one_is_sent(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    user = user_with(*RIGHTS)
    clients = [logged_in(user) for _ in range(4)]

    def send(client: APIClient) -> int:
        try:
            return client.post(PUSH, ASKED, headers={"Idempotency-Key": "once"}).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(send, clients))
    assert statuses == [200, 200, 200, 201]
    assert len(sandbox.prompts()) == 1


def test_an_unknown_outcome_is_accepted_and_not_to_be_sent_again(
    client: APIClient, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.fault("lose_answer", operation="stk_push")
    answer = client.post(PUSH, ASKED)
    assert answer.status_code == 202, answer.json()
    body = answer.json()
    assert (body["success"], body["state"], body["retry_safe"]) == (False, "unknown", False)
    assert body["payment_id"]


def test_a_push_that_the_provider_refuses_is_a_failed_payment(
    client: APIClient, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.app(CONSUMER_KEY, "another secret")
    answer = client.post(PUSH, ASKED)
    assert answer.status_code == 502, answer.json()
    body = answer.json()
    assert (body["success"], body["state"], body["retry_safe"]) == (False, "failed", True)
    assert body["error"]["type"] == "PaymentFailed"
    assert body["error"]["detail"] == body["message"] != ""
    assert client.get(f"{URL}{body['payment_id']}/").json()["state"] == "failed"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"phone": "12345"}, "phone"),
        ({"phone": None}, "phone"),
        ({"phone": {"a": 1}}, "phone"),
        ({"amount": "100.75"}, "amount"),
        ({"amount": 0}, "amount"),
        ({"amount": -5}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": 999999999}, "amount"),
        ({"account_reference": "<script>alert(1)</script>"}, "account_reference"),
        ({"account_reference": "=cmd|'/c calc'!A1"}, "account_reference"),
        ({"account_reference": ""}, "account_reference"),
        ({"description": "a\nb"}, "description"),
        ({"description": "far too long for M-Pesa"}, "description"),
        ({"idempotency_key": "x" * 129}, "idempotency_key"),
        ({"passkey": "x"}, "passkey"),
    ],
)
def test_bad_input_is_refused_on_its_field_and_nothing_is_sent(
    client: APIClient, mpesa: MpesaSettings, sandbox: SandboxDriver, changes: Any, field: str
) -> None:
    answer = client.post(PUSH, {**ASKED, **changes})
    assert answer.status_code == 400, answer.json()
    assert answer.json()["error"]["field"] == field
    assert not Payment.objects.exists()
    assert sandbox.prompts() == []


def test_without_settings_nothing_is_started(client: APIClient) -> None:
    answer = client.post(PUSH, ASKED)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "not_configured"


def test_pushing_and_asking_are_rights_of_their_own(mpesa: MpesaSettings) -> None:
    payment = pay(state=PaymentState.PENDING, checkout_id="ws_CO_1")
    status = f"{URL}{payment.public_id}/status/"
    reader = logged_in(user_with("view_payment"))
    assert reader.post(PUSH, ASKED).status_code == reader.post(status).status_code == 403
    weak = with_token(user_with(*RIGHTS), "payments:read")
    assert weak.post(PUSH, ASKED).status_code == weak.post(status).status_code == 403
    assert Payment.objects.count() == 1


def test_pushes_are_limited(client: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.api.throttles.PushThrottle.default_rate", "1/min")
    answers = [client.post(PUSH, {}) for _ in range(2)]
    assert [each.status_code for each in answers] == [400, 429]
    assert answers[1]["Retry-After"]


def test_asking_moves_the_payment(
    client: APIClient, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    sandbox.scenario("cancel")
    sandbox.fault("no_callback")
    pushed = client.post(PUSH, ASKED).json()
    sandbox.advance(60)
    answer = client.post(f"{URL}{pushed['payment_id']}/status/")
    assert answer.status_code == 200, answer.json()
    body = answer.json()
    assert (body["success"], body["asked"], body["payment"]["state"]) == (True, True, "cancelled")
    assert body["message"] == body["payment"]["message"]
    assert AuditEntry.objects.filter(action="payment.asked").count() == 1


def test_what_is_settled_is_not_asked_about(client: APIClient, sandbox: SandboxDriver) -> None:
    payment = pay(checkout_id="ws_CO_1")
    body = client.post(f"{URL}{payment.public_id}/status/").json()
    assert (body["asked"], body["payment"]["state"]) == (False, "succeeded")
    assert sandbox.counters().get("stk_query", 0) == 0


def test_a_provider_that_tells_nothing_is_a_502(
    client: APIClient, mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    pushed = client.post(PUSH, ASKED).json()
    sandbox.fault("error_before", operation="stk_query", times=None)
    answer = client.post(f"{URL}{pushed['payment_id']}/status/")
    assert answer.status_code == 502, answer.json()
    assert answer.json()["error"]["code"] == "no_answer"


def test_settings_of_the_other_environment_are_not_asked(
    client: APIClient, mpesa: MpesaSettings
) -> None:
    payment = pay(environment="production", state=PaymentState.UNKNOWN, checkout_id="ws_CO_1")
    answer = client.post(f"{URL}{payment.public_id}/status/")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "environment_changed"
