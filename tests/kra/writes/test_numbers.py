"""KRA names another number than ours: how far it is followed, and what keys keep apart."""

from __future__ import annotations

import pytest

from integrations.kra.service import KRAService
from integrations.kra.writes import answers, resend
from integrations.models import KRABranch, KRAWrite
from tests.kra.writes.deeds import SUGAR, bring, refused, send_all, states, told
from tests.sandbox.driver import SandboxDriver


def last_movement() -> KRAWrite:
    return KRAWrite.objects.filter(kind="stock_io").order_by("-pk")[0]


def test_far_ahead_of_what_it_took_from_us_asks_a_person(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    bring(service)
    send_all()
    sandbox.kra("numbers", next_stock=5000)
    bring(service)
    send_all()
    write = last_movement()
    assert (write.state, write.result_code, write.number) == ("rejected", "far_ahead", None)
    assert "5000" in write.attention
    assert KRABranch.objects.get().last_stock_number == 1

    assert resend(KRAWrite.objects.filter(pk=write.pk)) == 1
    send_all()
    assert [each["number"] for each in sandbox.kra_unit()["movements"]] == [1, 5000]
    assert last_movement().attention == ""


def test_a_number_below_one_of_our_book_is_not_taken(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    for _ in range(2):
        bring(service)
    send_all()
    # Not ours itself, and ours stand behind it.
    KRAWrite.objects.filter(kind="stock_io", number=1).update(number=None)
    sandbox.kra_fault(
        "result_code", operation="save_stock_io", code="910",
        message="Invalid sarNo sequence, expected: 1 but found: 3",
    )  # fmt: skip
    bring(service)
    send_all()
    write = last_movement()
    assert (write.state, write.number) == ("rejected", None)
    assert "compare" in write.attention
    assert KRABranch.objects.get().last_stock_number == 2


def test_numbers_that_are_all_used_come_to_an_end(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    sandbox.kra_fault("result_code", operation="save_stock_io", code="994", times=None)
    bring(service)
    send_all()
    assert last_movement().state == "rejected"
    assert "which program" in last_movement().attention
    assert sandbox.kra_counters()["save_stock_io"] == answers.MOST_RENUMBERED + 1


def test_a_sign_in_a_name_makes_no_other_subject(service: KRAService) -> None:
    for number in ("A", "A#1", "A", "a"):
        customer = {"number": number, "pin": "P051999888Z", "name": f"Customer {number}"}
        told(service.save_branch_customer(customer))
    keys = list(KRAWrite.objects.order_by("pk").values_list("key", flat=True))
    assert keys == ["A#1", "A#1#1", "a#1"]


def test_a_sign_in_the_callers_key_is_no_running_number(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    sandbox.kra_fault("result_code", operation="save_stock_io", code="913", times=2)
    bring(service, 1, key="GRN#2")
    bring(service, 1, key="GRN#3")
    send_all()
    assert resend(KRAWrite.objects.filter(key="GRN#2")) == 1
    send_all()
    assert states()[0] == ("stock_io", "done", 1)


@pytest.mark.parametrize("kind", ["sale", "purchase", "Import"])
def test_nobody_takes_the_key_of_what_follows_a_document(service: KRAService, kind: str) -> None:
    key = f"{kind}:d05add0f-85a5-483f-8dd2-8e8b53c0ad05"
    answer = service.stock_in([{"item": SUGAR, "quantity": 1}], key=key)
    assert refused(answer)[0] == "key"
    bring(service, 1, key=f"{kind}:17")
