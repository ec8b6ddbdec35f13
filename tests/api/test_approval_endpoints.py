"""Approvals over HTTP: who reads, who decides, and that tokens don't unless they may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from integrations.models import Approval, ApprovalState, AuditEntry, Payment
from integrations.models import PaymentState as S
from tests.api.conftest import logged_in, with_token
from tests.approvals.conftest import KIND, Handlers, ask, handlers, person, waiting_payment  # noqa: F401

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]
LIST = "/api/v1/integrations/approvals/"
SCOPES = ("approvals:read", "approvals:decide")


@pytest.fixture
def maker() -> User:
    return person("mary")


@pytest.fixture
def checker() -> User:
    return person("ann")


@pytest.fixture
def approval(maker: User) -> Approval:
    return ask(waiting_payment(), maker)


def at(approval: Approval, part: str = "") -> str:
    return f"{LIST}{approval.public_id}/{f'{part}/' if part else ''}"


def is_open(approval: Approval) -> bool:
    approval.refresh_from_db()
    return approval.is_open


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_request_reads_as_the_admin_shows_it(approval: Approval, checker: User) -> None:
    answer = logged_in(checker).get(at(approval))
    assert answer.status_code == 200
    found = answer.json()
    payment = Payment.objects.get()
    assert found["approval_id"] == str(approval.public_id)
    assert (found["amount"], found["currency"], found["state"]) == ("1500.00", "KES", "open")
    assert (found["kind"], found["kind_label"]) == (KIND, "Test payout")
    assert {"name": "Receiver", "text": "254712345678"} in found["facts"]
    assert (found["subject_type"], found["subject_id"]) == (
        "integrations.Payment", str(payment.public_id),
    )  # fmt: skip
    assert (found["requested_by"], found["decided_by"], found["why_not"]) == ("mary", "", "")


def test_the_list_is_newest_first_and_narrowed(
    approval: Approval, checker: User, maker: User
) -> None:
    client = logged_in(checker)
    done = ask(waiting_payment(), maker)
    Approval.objects.filter(pk=done.pk).update(state=ApprovalState.REJECTED)
    own = ask(waiting_payment(), checker)

    def found(**query: Any) -> list[str]:
        answer = client.get(LIST, query)
        assert answer.status_code == 200, answer.content
        return [each["approval_id"] for each in answer.json()["results"]]

    ids = [str(each.public_id) for each in (own, done, approval)]
    assert found() == ids
    assert found(state="open") == [ids[0], ids[2]]
    assert found(state="rejected") == [ids[1]]
    assert found(waits_for_me="true") == [ids[2]]
    assert found(kind=KIND) == ids
    assert found(kind="other") == []
    assert found(page_size=1) == ids[:1]
    whys = [each["why_not"] for each in client.get(LIST).json()["results"]]
    assert "yourself" in whys[0] and "rejected" in whys[1] and whys[2] == ""
    assert code(client.get(LIST, {"status": "open"})) == (400, "unknown_field")


def test_the_list_asks_few_queries(
    maker: User, checker: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(15):
        ask(waiting_payment(), maker)
    client = logged_in(checker)
    with django_assert_max_num_queries(14):
        assert len(client.get(LIST).json()["results"]) == 15


def test_a_person_approves(approval: Approval, checker: User, handlers: Handlers) -> None:  # noqa: F811
    answer = logged_in(checker).post(at(approval, "approve"))
    assert answer.status_code == 200, answer.content
    assert answer.json()["success"] is True
    assert answer.json()["approval"]["state"] == "approved"
    assert answer.json()["approval"]["decided_by"] == "ann"
    assert Payment.objects.get().state == S.CREATED
    again = logged_in(checker).post(at(approval, "approve"))
    assert code(again) == (409, "approval_decided")
    assert len(handlers.told) == 1


def test_a_person_rejects_with_a_reason(approval: Approval, checker: User) -> None:
    client = logged_in(checker)
    assert code(client.post(at(approval, "reject"), {}))[0] == 400
    assert code(client.post(at(approval, "reject"), {"reason": "no"}))[0] == 400
    assert code(client.post(at(approval, "reject"), {"why": "Paid"})) == (400, "unknown_field")
    assert is_open(approval)
    answer = client.post(at(approval, "reject"), {"reason": "Paid in cash"})
    assert answer.json()["approval"]["reason"] == "Paid in cash"
    assert Payment.objects.get().state == S.CANCELLED


def test_the_key_gives_the_first_answer_again(
    approval: Approval,
    checker: User,
    handlers: Handlers,  # noqa: F811
) -> None:
    client = logged_in(checker)
    first, second = (
        client.post(at(approval, "approve"), headers={"Idempotency-Key": "k1"}) for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(handlers.told) == 1


@pytest.mark.parametrize("part", ["approve", "reject"])
def test_tokens_do_not_decide(approval: Approval, checker: User, part: str) -> None:
    client = with_token(checker, *SCOPES)
    answer = client.post(at(approval, part), {"reason": "By a program"} if part == "reject" else {})
    assert code(answer) == (403, "approval_by_token")
    assert is_open(approval)


def test_tokens_decide_where_the_installation_lets_them(
    approval: Approval, checker: User, settings: Any
) -> None:
    settings.INTEGRATIONS_TOKENS_MAY_APPROVE = True
    lacking = with_token(checker, "approvals:read")
    assert lacking.post(at(approval, "approve")).status_code == 403
    assert is_open(approval)
    answer = with_token(checker, *SCOPES).post(at(approval, "approve"))
    assert answer.status_code == 200
    entry = AuditEntry.objects.get(action="approval.approved")
    assert entry.actor_name.startswith("ann (API token ERP")
    assert answer.json()["approval"]["decided_by"].startswith("ann (API token ERP")


@pytest.mark.parametrize("by", [logged_in, lambda user: with_token(user, *SCOPES)])
def test_nobody_approves_its_own_by_whatever_means(
    approval: Approval, maker: User, settings: Any, by: Callable[[User], APIClient]
) -> None:
    settings.INTEGRATIONS_TOKENS_MAY_APPROVE = True
    assert code(by(maker).post(at(approval, "approve"))) == (403, "approval_own")
    assert is_open(approval)


def test_the_maker_takes_it_back(approval: Approval, maker: User, checker: User) -> None:
    assert code(logged_in(checker).post(at(approval, "withdraw"), {})) == (
        403, "approval_not_yours",
    )  # fmt: skip
    answer = with_token(maker, *SCOPES).post(at(approval, "withdraw"), {"reason": "Typed wrong"})
    assert answer.json()["approval"]["state"] == "withdrawn"
    assert Payment.objects.get().state == S.CANCELLED


def test_rights_and_businesses_narrow(approval: Approval, handlers: Handlers) -> None:  # noqa: F811
    reader = person("eve", approver=False)
    assert code(logged_in(reader).post(at(approval, "approve"))) == (403, "approval_forbidden")
    stranger = logged_in(person("bob", "b2"))
    assert stranger.get(at(approval)).status_code == 404
    assert stranger.get(LIST).json()["results"] == []
    for part in ("approve", "reject", "withdraw"):
        body = {"reason": "Because"} if part == "reject" else {}
        assert stranger.post(at(approval, part), body).status_code == 404
    nobody = logged_in(User.objects.create_user("joe"))
    assert nobody.get(LIST).status_code == 403
    assert APIClient().get(LIST).status_code == 401
    assert is_open(approval)


@pytest.mark.parametrize("text", ["x", "0", "00000000-0000-0000-0000-000000000000"])
def test_what_is_no_approval_is_not_found(checker: User, text: str) -> None:
    client = logged_in(checker)
    assert code(client.get(f"{LIST}{text}/")) == (404, "not_found")
    assert code(client.post(f"{LIST}{text}/approve/")) == (404, "not_found")
