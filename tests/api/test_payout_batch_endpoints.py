"""Payout files over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from integrations.models import BatchState, MpesaSettings, Payment, PayoutBatch
from integrations.models import PaymentState as S
from tests.api.conftest import user_with, with_token
from tests.payments.batches.conftest import phone, text_of, work_through  # noqa: F401

BATCHES = "/api/v1/integrations/payout-batches/"
RIGHTS = ("view_payment", "view_payoutbatch", "payout_payment")


@pytest.fixture
def clerk(transactional_db: None) -> User:
    return user_with(*RIGHTS)


@pytest.fixture
def api(clerk: User) -> APIClient:
    return with_token(clerk, "payouts:write", "payments:read")


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def give(api: APIClient, text: str, **values: Any) -> Any:
    return api.post(BATCHES, {"csv": text, "name": "May", **values})


def test_a_file_is_given_followed_and_read(
    paying: MpesaSettings, api: APIClient,
    work_through: Callable[[PayoutBatch], None],  # noqa: F811
) -> None:  # fmt: skip
    answer = give(api, text_of(8), command="SalaryPayment")
    assert answer.status_code == 201, answer.content
    found = answer.json()
    assert (found["success"], found["state"], found["count"]) == (True, "running", 8)
    address = f"{BATCHES}{found['batch_id']}/"
    read = api.get(address).json()
    assert [(each["state"], each["count"]) for each in read["progress"]] == [("created", 8)]
    assert (read["name"], read["total"]) == ("May", found["total"])
    assert "API token ERP" in read["requested_by"]
    work_through(PayoutBatch.objects.get())
    read = api.get(address).json()
    assert (read["state"], read["progress"][0]["state"]) == ("finished", "succeeded")
    rows = api.get("/api/v1/integrations/payments/", {"batch": found["batch_id"]}).json()
    assert len(rows["results"]) == 8
    assert [each["batch_id"] for each in api.get(BATCHES).json()["results"]] == [found["batch_id"]]


def test_every_fault_is_told_and_nothing_stored(paying: MpesaSettings, api: APIClient) -> None:
    answer = give(api, text_of(2) + "12,ten,A1,x,Jane\n")
    assert code(answer) == (400, "bad_payout_file")
    found = answer.json()
    assert found["error_count"] == 3
    assert {(each["line"], each["field"]) for each in found["errors"]} == {
        (4, "phone"), (4, "amount"), (4, "remarks"),
    }  # fmt: skip
    assert code(give(api, "")) == (400, "blank")
    assert code(give(api, "nothing")) == (400, "bad_payout_file")
    assert not Payment.objects.exists()


def test_what_is_pointed_out_is_confirmed_by_its_name(
    paying: MpesaSettings, api: APIClient
) -> None:
    text = text_of(3) + f"{phone(1)},55,BONUS,Bonus,Person 1\n"
    answer = give(api, text)
    assert code(answer) == (409, "confirmation_needed")
    [finding] = answer.json()["findings"]
    assert finding["name"] == "repeated_phones"
    assert give(api, text, confirm=[finding["name"]]).status_code == 201
    assert code(give(api, text, confirm=["everything"]))[0] == 400


def test_the_key_is_one_file(paying: MpesaSettings, api: APIClient) -> None:
    first = api.post(BATCHES, {"csv": text_of(3)}, headers={"Idempotency-Key": "may"})
    again = give(api, text_of(3), idempotency_key="may")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["batch_id"] == first.json()["batch_id"]
    other = give(api, text_of(4), idempotency_key="may")
    assert code(other) == (409, "idempotency_mismatch")
    assert PayoutBatch.objects.count() == 1


def test_a_long_file_fits_and_a_longer_one_does_not(paying: MpesaSettings, api: APIClient) -> None:
    text = text_of(3) + "\n" * 1_000_000
    answer = give(api, text)
    assert answer.status_code == 201, answer.content
    assert code(give(api, "x" * 2_700_000)) == (413, "body_too_large")


def test_it_is_paused_resumed_cancelled_and_paid_again(
    paying: MpesaSettings, api: APIClient
) -> None:
    batch_id = give(api, text_of(3)).json()["batch_id"]
    address = f"{BATCHES}{batch_id}/"
    assert api.post(f"{address}pause/").json()["batch"]["state"] == "paused"
    assert code(api.post(f"{address}pause/")) == (409, "batch_state")
    assert api.post(f"{address}resume/").json()["batch"]["state"] == "running"
    assert api.post(f"{address}cancel/").json()["batch"]["state"] == "cancelling"
    assert code(api.post(f"{address}retry/")) == (409, "nothing_to_retry")
    Payment.objects.update(state=S.FAILED, next_attempt_at=None)
    first = api.post(f"{address}retry/", headers={"Idempotency-Key": "r"})
    again = api.post(f"{address}retry/", headers={"Idempotency-Key": "r"})
    assert first.status_code == again.status_code == 200
    made = first.json()["batch"]
    assert (made["retry_of"], made["count"], again.json()["batch"]["batch_id"]) == (
        batch_id, 3, made["batch_id"],
    )  # fmt: skip


def test_rights_and_businesses_narrow(paying: MpesaSettings, api: APIClient) -> None:
    batch_id = give(api, text_of(2)).json()["batch_id"]
    address = f"{BATCHES}{batch_id}/"
    pushing = with_token(user_with(*RIGHTS, "push_payment"), "payments:write")
    assert pushing.post(BATCHES, {"csv": text_of(2)}).status_code == 403
    assert pushing.post(f"{address}cancel/").status_code == 403
    stranger = with_token(user_with(*RIGHTS, businesses=("b2",)), "payouts:write", "payments:read")
    assert stranger.get(address).status_code == 404
    assert stranger.post(f"{address}cancel/").status_code == 404
    assert stranger.get(BATCHES).json()["results"] == []
    assert code(stranger.post(BATCHES, {"csv": text_of(2), "business": ""})) == (
        403, "business_not_allowed",
    )  # fmt: skip
    assert APIClient().get(BATCHES).status_code == 401
    assert PayoutBatch.objects.get().state == BatchState.RUNNING
