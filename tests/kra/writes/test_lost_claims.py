"""What a worker was told after its claim had gone to another: it changes nothing any more."""

from __future__ import annotations

from typing import Any

import pytest

from integrations import work
from integrations.exceptions import InvalidInput
from integrations.kra.service import KRAService
from integrations.kra.writes import advance, make_queue, resend, sending, settle
from integrations.models import KRABranch, KRAItem, KRAWrite, WriteState
from integrations.work import WorkState, later
from tests.kra.writes.deeds import SOAP, bring, send_all, send_later, states, told
from tests.sandbox.driver import SandboxDriver

ANOTHERS = "another worker's"


def taken_over(state: WriteState = WriteState.SENDING) -> None:
    """Another worker has the first report in hand by now."""
    first = KRAWrite.objects.order_by("pk")[:1].values("pk")
    KRAWrite.objects.filter(pk__in=list(first.values_list("pk", flat=True))).update(
        state=state, claim_token=ANOTHERS, work_state=WorkState.LEASED,
        lease_until=later(60), next_attempt_at=later(60),
    )  # fmt: skip


def during_the_call(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Have `act` done when KRA has answered, before the worker hears of it."""

    class Interrupted(sending.EtimsClient):
        def call(self, *arguments: Any, **options: Any) -> Any:
            try:
                return super().call(*arguments, **options)
            finally:
                act()

    monkeypatch.setattr(sending, "EtimsClient", Interrupted)


def row_now() -> dict[str, Any]:
    return KRAWrite.objects.order_by("pk").values().first() or {}


FAULTS = [
    {},
    {"kind": "lose_answer"},
    {"kind": "result_code", "code": "913"},
    {"kind": "result_code", "code": "901"},
    {"kind": "result_code", "code": "994"},
    {
        "kind": "result_code", "code": "910",
        "message": "Invalid sarNo sequence, expected: 41 but found: 1",
    },
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.get("code", str(fault)[:20]))
def test_a_late_answer_overwrites_nothing(
    service: KRAService,
    sandbox: SandboxDriver,
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
) -> None:
    if fault:
        sandbox.kra_fault(operation="save_stock_io", **fault)
    bring(service)
    seen: list[dict[str, Any]] = []

    def act() -> None:
        if not seen:
            taken_over()
            seen.append(row_now())

    during_the_call(monkeypatch, act)
    send_all()
    assert seen == [row_now()]
    assert KRABranch.objects.get().last_stock_number == 0
    assert not KRAItem.objects.filter(stock__gt=0).exists()
    assert [state for _, state, _ in states()] == ["sending", "queued"]


def test_a_late_answer_gives_no_item_another_code(
    service: KRAService, sandbox: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = told(service.save_item(SOAP))["item"]["item_code"]
    sandbox.kra_fault(
        "result_code", operation="save_item", code="910",
        message="Invalid itemCd Sequence. Expected sequence ending with: 0000077",
    )  # fmt: skip
    during_the_call(monkeypatch, taken_over)
    send_all()
    assert KRAItem.objects.filter(item_code=item).exists()
    assert row_now()["claim_token"] == ANOTHERS


@pytest.mark.parametrize("state", [WriteState.QUEUED, WriteState.SENDING, WriteState.IN_DOUBT])
def test_who_comes_late_sends_nothing(
    service: KRAService, sandbox: SandboxDriver, state: WriteState
) -> None:
    bring(service)
    KRAWrite.objects.filter(kind="stock_io").update(state=state, number=1, body={}, times_sent=1)
    claim = work.claim_rows(make_queue(), limit=1, order="id")
    row = claim.rows[0]
    row.claim_deadline = claim.lease_end
    taken_over(state)
    before = row_now()
    advance(row)
    assert row_now() == before
    assert "save_stock_io" not in sandbox.kra_counters()


def test_nobody_settles_what_is_being_sent_again(
    service: KRAService, sandbox: SandboxDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What KRA answers now decides; a person's word from before would free a used number."""
    sandbox.kra_fault("lose_answer", operation="save_stock_io")
    bring(service)
    send_all()
    assert states()[0] == ("stock_io", "in_doubt", 1)
    codes: list[str] = []

    def act() -> None:
        if not codes:
            with pytest.raises(InvalidInput) as refused:
                settle(KRAWrite.objects.order_by("pk")[0], taken=False)
            codes.append(refused.value.code)
            assert "being sent" in refused.value.message

    during_the_call(monkeypatch, act)
    send_later()
    assert codes == ["not_in_doubt"]
    assert states()[0] == ("stock_io", "done", 1)


def test_a_person_was_faster_than_the_worker_that_had_just_begun(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    sandbox.kra_fault("lose_answer", operation="save_stock_io")
    bring(service)
    send_all()
    asked = sandbox.kra_counters()["save_stock_io"]
    KRAWrite.objects.filter(state="in_doubt").update(next_attempt_at=later(0))
    claim = work.claim_rows(make_queue(), limit=1, order="id")
    row = claim.rows[0]
    row.claim_deadline = claim.lease_end
    settle(KRAWrite.objects.get(pk=row.pk), taken=True)
    advance(row)
    assert states()[0] == ("stock_io", "done", 1)
    assert sandbox.kra_counters()["save_stock_io"] == asked


def test_what_is_sent_again_from_the_start_is_not_in_doubt(
    service: KRAService, sandbox: SandboxDriver
) -> None:
    """Its former sendings are over: a number that is used now is another's, not its own."""
    sandbox.kra_fault("result_code", operation="save_stock_io", code="913")
    bring(service)
    send_all()
    assert states()[0] == ("stock_io", "rejected", None)
    assert resend(KRAWrite.objects.filter(kind="stock_io")) == 1
    assert row_now()["times_sent"] == 0
    sandbox.kra_fault("result_code", operation="save_stock_io", code="994", times=1)
    send_all()
    # Number 1 is another's by KRA's word, so it went on; ours is never called taken unsent.
    assert [each["number"] for each in sandbox.kra_unit()["movements"]] == [1]
    assert states()[0][:2] == ("stock_io", "done")
