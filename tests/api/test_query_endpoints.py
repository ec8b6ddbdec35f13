"""Balances and transactions over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from integrations.models import AccountBalance, ApiToken, MpesaQuery, MpesaSettings
from integrations.payments import query_sender
from tests.api.conftest import logged_in, user_with
from tests.conftest import CONSUMER_KEY, CONSUMER_SECRET
from tests.payments.questions import SHORT_CODE, account, age_sent, answered, asked_book, make_due
from tests.sandbox.driver import SandboxDriver

__all__ = ["account"]
API = "/api/v1/integrations"
BALANCES, REFRESH = f"{API}/balances/", f"{API}/balances/refresh/"
STATUS = f"{API}/transaction-status/"
RIGHTS = (
    "view_accountbalance", "refresh_accountbalance", "view_mpesaquery", "ask_mpesaquery",
)  # fmt: skip


@pytest.fixture
def api(admin_user: Any) -> APIClient:
    client = APIClient()
    client.force_login(admin_user)
    return client


def make_balance(**values: Any) -> AccountBalance:
    return AccountBalance.objects.create(
        **{
            "environment": "sandbox", "short_code": SHORT_CODE, "account": "Working Account",
            "currency": "KES", "current": 700, "available": -15, "as_of": timezone.now(),
            **values,
        }
    )  # fmt: skip


def test_balances_are_asked_for_and_read(
    account: MpesaSettings, sandbox: SandboxDriver, api: APIClient
) -> None:
    assert api.get(BALANCES).json()["results"] == []
    response = api.post(REFRESH, {}, format="json")
    assert response.status_code == 202
    asked = response.json()
    assert (asked["state"], asked["success"], asked["answer"]) == ("sent", True, {})
    again = api.post(REFRESH, {"short_code": SHORT_CODE}, format="json").json()
    assert again["query_id"] == asked["query_id"]
    answered(sandbox)
    read = api.get(f"{REFRESH}{asked['query_id']}/").json()
    assert (read["state"], read["result_code"]) == ("answered", "0")
    held = {name: f"{amount:.2f}" for name, amount in sandbox.accounts(SHORT_CODE).items()}
    assert {each["account"]: each["available"] for each in read["answer"]["accounts"]} == held
    results = api.get(BALANCES).json()["results"]
    assert {each["account"]: each["available"] for each in results} == held
    assert {each["query_id"] for each in results} == {asked["query_id"]}
    # A question about balances is none about transactions.
    assert api.get(f"{STATUS}{asked['query_id']}/").status_code == 404


def test_a_transaction_is_asked_about_and_read(
    account: MpesaSettings, sandbox: SandboxDriver, api: APIClient
) -> None:
    sandbox.simulate_c2b(150)
    sandbox.settle()
    receipt = sandbox.book()["statement"][-1]["receipt"]
    asked = api.post(STATUS, {"receipt": receipt}, format="json").json()
    answered(sandbox)
    read = api.get(f"{STATUS}{asked['query_id']}/").json()
    assert (read["state"], read["receipt"]) == ("answered", receipt)
    assert (read["answer"]["transaction_status"], read["answer"]["amount"]) == (
        "Completed", "150.00",
    )  # fmt: skip


def test_the_id_of_a_question_leads_to_its_best_try(
    account: MpesaSettings, sandbox: SandboxDriver, api: APIClient
) -> None:
    sandbox.fault("no_callback", operation="account_balance")
    asked = api.post(REFRESH, {}, format="json").json()
    sandbox.settle()
    age_sent(MpesaQuery.objects.get(), query_sender.ANSWER_PATIENCE + 1)
    answered(sandbox)
    url = f"{REFRESH}{asked['query_id']}/"
    assert (api.get(url).json()["state"], api.get(url).json()["try_number"]) == ("waiting", 2)
    make_due()
    answered(sandbox)
    read = api.get(url).json()
    assert (read["query_id"], read["state"], read["try_number"]) == (
        asked["query_id"], "answered", 2,
    )  # fmt: skip


def test_a_refused_question_is_answered_with_its_reason(
    account: MpesaSettings, sandbox: SandboxDriver, api: APIClient
) -> None:
    sandbox.app(CONSUMER_KEY, CONSUMER_SECRET, products=["stk_push"])
    response = api.post(REFRESH, {}, format="json")
    body = response.json()
    assert (response.status_code, body["success"], body["state"]) == (502, False, "refused")
    assert "not enabled on the Daraja app" in body["error"]["detail"]
    assert body["error"]["help"]


@pytest.mark.parametrize(
    ("url", "body", "status", "field"),
    [
        (STATUS, {}, 400, "receipt"),
        (STATUS, {"receipt": "x"}, 400, "receipt"),
        (STATUS, {"originator_id": "a b"}, 400, "originator_id"),
        (STATUS, {"receipt": 7}, 400, "receipt"),
        (STATUS, {"reciept": "UAE4X7K2QP"}, 400, "reciept"),
        (REFRESH, {"receipt": "UAE4X7K2QP"}, 400, "receipt"),
        (REFRESH, {"short_code": "999999"}, 503, None),
        (REFRESH, {"business": "nobody"}, 503, None),
    ],
)
def test_bad_questions_are_refused_by_name(
    account: MpesaSettings, sandbox: SandboxDriver, api: APIClient,
    url: str, body: dict[str, Any], status: int, field: str | None,
) -> None:  # fmt: skip
    response = api.post(url, body, format="json")
    assert response.status_code == status, response.json()
    assert response.json()["error"].get("field") == field
    assert not MpesaQuery.objects.exists()
    assert asked_book(sandbox) == []


@pytest.mark.parametrize("query_id", ["x", "00000000-0000-0000-0000-000000000000", "7"])
def test_an_unknown_question_is_not_found(db: None, api: APIClient, query_id: str) -> None:
    for url in (STATUS, REFRESH):
        assert api.get(f"{url}{query_id}/").status_code == 404


def test_the_list_is_filtered_and_paged(db: None, api: APIClient) -> None:
    make_balance(account="Old", is_latest=False)
    make_balance(account="Utility Account", low_since=timezone.now() - timedelta(days=1))
    make_balance(business="shop", short_code="500001")

    def names(query: str) -> list[str]:
        response = api.get(BALANCES + query)
        assert response.status_code == 200, response.json()
        return [each["account"] for each in response.json()["results"]]

    assert names("") == ["Working Account", "Utility Account"]
    assert names("?history=true") == ["Working Account", "Utility Account", "Old"]
    assert names("?history=false&short_code=500001") == ["Working Account"]
    assert names("?business=") == ["Utility Account"]
    assert names("?business=shop&environment=production") == []
    assert [each["is_low"] for each in api.get(BALANCES).json()["results"]] == [False, True]
    page = api.get(f"{BALANCES}?page_size=1").json()
    assert len(page["results"]) == 1
    assert page["next"]
    for query in ("?account=x", "?environment=x", "?cursor=x"):
        assert api.get(BALANCES + query).status_code in (400, 404), query


@pytest.mark.parametrize("missing", RIGHTS)
def test_each_right_opens_one_thing(account: MpesaSettings, missing: str) -> None:
    query = MpesaQuery.objects.create(
        kind="transaction_status", environment="sandbox", short_code=SHORT_CODE,
        state="answered", next_attempt_at=None,
    )  # fmt: skip
    client = logged_in(user_with(*(right for right in RIGHTS if right != missing)))
    calls = {
        "view_accountbalance": lambda: client.get(BALANCES),
        "view_mpesaquery": lambda: client.get(f"{STATUS}{query.public_id}/"),
        "refresh_accountbalance": lambda: client.post(REFRESH, {"short_code": "1"}),
        "ask_mpesaquery": lambda: client.post(STATUS, {"receipt": "x"}),
    }
    for right, call in calls.items():
        assert (call().status_code == 403) == (right == missing), right


def test_an_idempotency_key_is_not_pretended(account: MpesaSettings, api: APIClient) -> None:
    response = api.post(REFRESH, {}, format="json", headers={"Idempotency-Key": "k"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "idempotency_not_supported"


@pytest.mark.parametrize(
    ("scopes", "may_read", "may_ask"),
    [(["payments:read"], True, False), (["payments:write"], False, True), (["health:read"], 0, 0)],
)
def test_a_token_needs_the_scope(
    account: MpesaSettings, scopes: list[str], may_read: bool, may_ask: bool
) -> None:
    user = user_with(*RIGHTS)
    _, text = ApiToken.issue(
        user, name="t", scopes=scopes, expires_at=timezone.now() + timedelta(hours=1)
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    assert (client.get(BALANCES).status_code == 200) == bool(may_read)
    body = {"receipt": "UAE4X7K2QP"}
    assert (client.post(STATUS, body, format="json").status_code == 202) == bool(may_ask)
