"""Movements under running numbers, and what is left of each item."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from integrations.kra.outbox import holds
from integrations.kra.service import KRAService
from integrations.kra.writes import answers, resend, settle
from integrations.models import KRABranch, KRAItem, KRASettings, KRAWrite, WriteState
from integrations.work import later
from tests.kra.writes.deeds import (
    SUGAR,
    bring,
    refused,
    send_all,
    send_later,
    states,
    stock_of,
    told,
)
from tests.sandbox.driver import SandboxDriver

FLOUR = "KE2NTNO0000002"
DELIVERY = "KE3CTNO0000006"


def movements(sandbox: SandboxDriver) -> list[int]:
    return [each["number"] for each in sandbox.kra_unit()["movements"]]


@pytest.mark.parametrize("kra", ["oscu_direct", "oscu_gateway", "vscu"], indirect=True)
def test_goods_come_in_and_kra_is_told_what_is_left(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    data = told(
        service.stock_in(
            [
                {"item": SUGAR, "quantity": 10, "price": "99.99"},
                {"item": FLOUR, "quantity": "2.5"},
            ],
            partner={"pin": "P051999888Z", "name": "Wholesale"},
        )
    )
    assert data["movement"]["state"] == "queued"
    assert len(data["remaining"]) == 2

    send_all()

    assert states() == [
        ("stock_io", "done", 1),
        ("stock_master", "done", None),
        ("stock_master", "done", None),
    ]
    assert (stock_of(sandbox, SUGAR), stock_of(sandbox, FLOUR)) == ("10", "2.5")
    assert KRABranch.objects.get().last_stock_number == 1
    hand = {row["item_code"]: row["quantity"] for row in told(service.stock_on_hand())}
    assert hand == {SUGAR: "10.00", FLOUR: "2.50"}
    assert KRAItem.objects.get(item_code=SUGAR).stock == 10


def test_out_after_in_and_numbers_without_a_gap(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    bring(service)
    told(service.stock_out([{"item": SUGAR, "quantity": 3}], movement="15"))
    bring(service, 5)
    send_all()
    assert movements(sandbox) == [1, 2, 3]
    assert stock_of(sandbox, SUGAR) == "12"


def test_nothing_goes_out_that_is_not_there(service: KRAService) -> None:
    bring(service, 2)
    answer = service.stock_out([{"item": SUGAR, "quantity": "2.01"}])
    assert refused(answer) == ("lines[0].quantity", "not_in_stock")
    told(service.stock_out([{"item": SUGAR, "quantity": 2}]))
    assert refused(service.stock_out([{"item": SUGAR, "quantity": 1}]))[1] == "not_in_stock"


def test_a_count_is_told_as_the_difference_behind_what_waits(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    bring(service, 10)
    told(service.set_stock(SUGAR, 7))
    told(service.set_stock(SUGAR, 7))
    told(service.set_stock(SUGAR, "8.5"))
    send_all()
    assert stock_of(sandbox, SUGAR) == "8.5"
    done = KRAWrite.objects.filter(kind="stock_io").order_by("pk")
    told_to_kra = [(row.number, row.body and row.body["sarTyCd"]) for row in done]
    assert told_to_kra == [(1, "02"), (2, "16"), (None, None), (3, "06")]
    assert {row.state for row in KRAWrite.objects.all()} == {"done"}


def test_a_count_that_adds_has_the_settings_code(
    service: KRAService, kra: KRASettings, sandbox: SandboxDriver
) -> None:
    kra.stock_adjusted_in_code = "05"
    kra.save()
    told(service.set_stock(SUGAR, 7))
    send_all()
    assert stock_of(sandbox, SUGAR) == "7"
    assert KRAWrite.objects.get(kind="stock_io").body["sarTyCd"] == "05"


@pytest.mark.parametrize(
    ("lines", "field"),
    [
        ([], "lines"),
        ("sugar", "lines"),
        ([{"item": "NONE", "quantity": 1}], "lines[0].item"),
        ([{"item": SUGAR, "quantity": 0}], "lines[0].quantity"),
        ([{"item": SUGAR, "quantity": -1}], "lines[0].quantity"),
        ([{"item": SUGAR, "quantity": "1.005"}], "lines[0].quantity"),
        ([{"item": SUGAR, "quantity": 1.5}], "lines[0].quantity"),
        ([{"item": SUGAR, "quantity": 1, "price": 0}], "lines[0].price"),
        ([{"item": SUGAR, "quantity": 1}, {"item": DELIVERY, "quantity": 1}], "lines[1].item"),
        ([{"item": SUGAR, "amount": 1}], "lines[0].amount"),
        ([{"item": SUGAR, "quantity": 1, "expires_on": "soon"}], "lines[0].expires_on"),
    ],
)
def test_bad_lines_are_named(service: KRAService, lines: Any, field: str) -> None:
    assert refused(service.stock_in(lines))[0] == field
    assert not KRAWrite.objects.exists()


def test_other_bad_input_is_named(service: KRAService) -> None:
    line = [{"item": SUGAR, "quantity": 1}]
    assert refused(service.stock_in(line, movement="11"))[0] == "movement"
    assert refused(service.stock_out(line, movement="02"))[0] == "movement"
    assert refused(service.stock_in(line, day="2999-01-01"))[0] == "day"
    assert refused(service.stock_in(line, partner={"pin": "12"}))[0] == "partner.pin"
    assert refused(service.stock_in(line, remark="x" * 401))[0] == "remark"
    assert refused(service.set_stock(SUGAR, -1))[0] == "quantity"
    assert refused(service.stock_in(line, key=""))[0] == "key"


def test_the_same_key_is_one_movement(service: KRAService, sandbox: SandboxDriver) -> None:
    first = bring(service, 10, key="GRN-1")
    again = bring(service, 10, key="GRN-1")
    assert again == first
    send_all()
    assert bring(service, 10, key="GRN-1")["movement"]["state"] == "done"
    answer = service.stock_in([{"item": SUGAR, "quantity": 11}], key="GRN-1")
    assert refused(answer) == ("key", "idempotency_mismatch")
    assert movements(sandbox) == [1]


def test_a_rejection_frees_the_number_and_takes_its_followers_along(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    sandbox.kra_fault("result_code", operation="save_stock_io", code="913", message="<pkgUnitCd>")
    bring(service, 10, key="GRN-1")
    bring(service, 5, key="GRN-2")
    send_all()
    assert states() == [
        ("stock_io", "rejected", None),
        ("stock_master", "rejected", None),
        ("stock_io", "done", 1),
        ("stock_master", "done", None),
    ]
    assert "<pkgUnitCd>" in KRAWrite.objects.order_by("pk")[0].message
    assert stock_of(sandbox, SUGAR) == "5"
    # Corrected, under the same key.
    bring(service, 9, key="GRN-1")
    assert resend(KRAWrite.objects.all()) == 0
    send_all()
    assert movements(sandbox) == [1, 2]
    assert stock_of(sandbox, SUGAR) == "14"


@pytest.mark.parametrize("kra", ["oscu_direct", "oscu_gateway"], indirect=True)
@pytest.mark.parametrize("kind", ["lose_answer", "drop", "error_after", "error_before"])
def test_after_a_lost_answer_the_same_goes_again_and_the_lane_waits(
    service: KRAService, sandbox: SandboxDriver, kind: str
) -> None:
    sandbox.kra_fault(kind, operation="save_stock_io")
    bring(service, 10)
    bring(service, 5)
    send_all()
    assert [state for _, state, _ in states()] == ["in_doubt", "queued", "queued", "queued"]
    before = KRAWrite.objects.order_by("pk")[0]
    assert before.number == 1

    send_later()

    assert [number for kind, _, number in states() if kind == "stock_io"] == [1, 2]
    assert {state for _, state, _ in states()} == {"done"}
    assert KRAWrite.objects.order_by("pk")[0].body == before.body
    assert movements(sandbox) == [1, 2]
    assert stock_of(sandbox, SUGAR) == "15"


@pytest.mark.parametrize("kra", ["oscu_direct", "oscu_gateway"], indirect=True)
def test_a_device_that_was_used_before_goes_on_at_kra_s_number(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    sandbox.kra("numbers", next_stock=41)
    bring(service)
    send_all()
    assert movements(sandbox) == [41]
    assert KRABranch.objects.get().last_stock_number == 41


@pytest.mark.parametrize("kra", ["oscu_gateway"], indirect=True)
def test_a_number_that_our_book_has_is_not_given_twice(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    bring(service)
    send_all()
    sandbox.kra("numbers", next_stock=1)
    sandbox.kra_fault(
        "result_code", operation="save_stock_io", code="910",
        message="Invalid sarNo sequence, expected: 1 but found: 2",
    )  # fmt: skip
    bring(service)
    send_all()
    write = KRAWrite.objects.filter(kind="stock_io").order_by("pk")[1]
    assert (write.state, write.number) == (WriteState.REJECTED, None)
    assert "compare" in write.attention


def test_a_worker_that_died_before_the_answer_leaves_it_in_doubt(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    bring(service)
    send_all()
    # As it was when KRA had the movement and the worker was killed.
    KRAWrite.objects.filter(kind="stock_io").update(state=WriteState.SENDING, next_attempt_at=None)
    KRAWrite.objects.filter(kind="stock_io").update(work_state="due")
    KRABranch.objects.update(last_stock_number=0)
    KRAItem.objects.get(item_code=SUGAR).stock_rows.all().delete()
    KRAWrite.objects.filter(kind="stock_io").update(next_attempt_at=later(0))
    send_all()
    assert states()[0] == ("stock_io", "done", 1)
    assert movements(sandbox) == [1]
    assert KRABranch.objects.get().last_stock_number == 1
    assert KRAItem.objects.get(item_code=SUGAR).stock == 10


def test_a_person_settles_what_stays_in_doubt(service: KRAService, sandbox: SandboxDriver) -> None:
    sandbox.kra_fault("lose_answer", operation="save_stock_io", times=None)
    bring(service)
    for _ in range(6):
        send_later()
    write = KRAWrite.objects.order_by("pk")[0]
    assert write.state == WriteState.IN_DOUBT
    assert write.attention
    settle(write, taken=True)
    assert states() == [("stock_io", "done", 1), ("stock_master", "queued", None)]
    assert KRAItem.objects.get(item_code=SUGAR).stock == 10
    assert KRABranch.objects.get().last_stock_number == 1


def test_a_person_sends_a_rejected_movement_again_with_its_followers(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    sandbox.kra_fault("result_code", operation="save_stock_io", code="910")
    bring(service)
    send_all()
    assert resend(KRAWrite.objects.filter(kind="stock_io")) == 1
    send_all()
    assert [state for _, state, _ in states()] == ["done", "done"]
    assert stock_of(sandbox, SUGAR) == "10"


def test_a_refused_device_holds_the_reports_back(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    sandbox.kra_fault("result_code", operation="save_stock_io", code="901")
    bring(service)
    send_all()
    write = KRAWrite.objects.order_by("pk")[0]
    assert (write.state, write.number, write.result_code) == ("queued", None, "901")
    assert write.message
    send_later()
    assert [state for _, state, _ in states()] == ["done", "done"]


def test_a_device_that_is_refused_whatever_is_asked_holds_the_branch(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    """As for invoices: told at once, asked a harmless question, and let go when it is answered."""
    for operation in ("save_stock_io", "code_list"):
        sandbox.kra_fault("result_code", operation=operation, code="901", times=None)
    bring(service)
    send_all()
    unit = KRABranch.objects.get()
    assert unit.held_code == "device"
    assert unit.alarmed_at is not None
    assert states()[0] == ("stock_io", "queued", None)
    sandbox.clear_kra_faults()
    assert holds.look_at_held() == 1
    send_later()
    assert [state for _, state, _ in states()] == ["done", "done"]


def test_a_report_that_is_refused_alone_is_told_and_heals(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    """The device works, so no branch is held; after some refusals a person is told."""
    sandbox.kra_fault("result_code", operation="save_stock_io", code="912", times=None)
    bring(service)
    send_all()
    for _ in range(answers.REFUSALS - 1):
        assert KRAWrite.objects.order_by("pk")[0].attention == ""
        send_later()
    write = KRAWrite.objects.order_by("pk")[0]
    assert (write.state, write.number) == ("queued", None)
    assert "control unit works" in write.attention
    assert KRABranch.objects.get().held_reason == ""
    sandbox.clear_kra_faults()
    send_later()
    assert [state for _, state, _ in states()] == ["done", "done"]
    assert KRAWrite.objects.order_by("pk")[0].attention == ""


def test_a_held_branch_sends_nothing(service: KRAService, sandbox: SandboxDriver) -> None:
    bring(service)
    KRABranch.objects.update(held_reason="Compare the book.")
    send_all()
    assert states()[0] == ("stock_io", "queued", None)
    assert "save_stock_io" not in sandbox.kra_counters()


def twice_at_once(act: Callable[[], None]) -> None:
    """In two threads; raises what the first of them raised."""
    with ThreadPoolExecutor(2) as threads:
        for told in [threads.submit(act) for _ in range(2)]:
            told.result()


def test_two_that_take_the_last_one(service: KRAService) -> None:
    bring(service, 1)
    send_all()
    answers: list[bool] = []

    def take() -> None:
        try:
            answers.append(service.stock_out([{"item": SUGAR, "quantity": 1}])[0])
        finally:
            connection.close()

    twice_at_once(take)
    assert sorted(answers) == [False, True]


def test_two_workers_on_one_branch(service: KRAService, sandbox: SandboxDriver) -> None:
    for _ in range(6):
        bring(service, 1)

    def run() -> None:
        try:
            send_all()
        finally:
            connection.close()

    twice_at_once(run)
    send_all()
    assert movements(sandbox) == [1, 2, 3, 4, 5, 6]
    assert {state for _, state, _ in states()} == {"done"}
    assert Decimal(stock_of(sandbox, SUGAR)) == 6
