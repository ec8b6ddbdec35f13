"""Any course of events: whatever happens in whatever order, KRA's book ends equal to ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from integrations.config import clear_cache
from integrations.exceptions import InvalidInput
from integrations.kra.outbox import outcomes, sending, turn, verify_and_resend
from integrations.kra.outbox.submit import submit
from integrations.models import KRABranch, KRAInvoice
from tests.conftest import wipe
from tests.kra.outbox.conftest import Shop, calm, drain, hurry, work_on
from tests.kra.outbox.test_faults import assert_books_agree
from tests.kra.outbox.test_two_at_once import turn_once
from tests.sandbox.driver import SandboxDriver

pytestmark = pytest.mark.django_db(transaction=True)
FAULTS = ["drop", "lose_answer", "error_before", "error_after", "html", "empty"]
CODES = ["913", "901", "990", "991", "999"]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("sell"), st.integers(1, 9)),
        st.tuples(st.just("credit"), st.integers(0, 9)),
        st.tuples(st.just("correct"), st.integers(0, 9)),
        st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
        st.tuples(st.just("code"), st.sampled_from(CODES)),
        st.tuples(st.just("kill"), st.sampled_from(["before", "after"])),
        st.tuples(st.just("turn"), st.integers(1, 4)),
        st.tuples(st.just("hurry"), st.just(0)),
        st.tuples(st.just("resend"), st.just(0)),
    ),
    min_size=4,
    max_size=25,
)


class Course:
    """Carries the steps out on one branch."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.data, self.rows = shop, {}, []  # type: ignore[var-annotated]

    def step(self, name: str, value: Any) -> None:
        getattr(self, f"_{name}")(value)

    def _sell(self, quantity: int) -> None:
        data = self.shop.invoice(items=[self.shop.line(quantity=str(quantity))])
        row = submit(data)
        self.data[row.pk] = data
        self.rows.append(row)

    def _credit(self, which: int) -> None:
        if not self.rows:
            return
        original = self.rows[which % len(self.rows)]
        original.refresh_from_db()
        lines = [{"quantity": "1", "original_line": 1}]
        try:
            submit(self.shop.credit(original, items=lines))
        except InvalidInput as error:
            assert error.code in {"not_creditable", "over_credit"}

    def _correct(self, which: int) -> None:
        rejected = [
            row for row in self.rows if KRAInvoice.objects.get(pk=row.pk).state == "rejected"
        ]
        if rejected:
            row = rejected[which % len(rejected)]
            data = {**self.data[row.pk], "items": [self.shop.line(quantity="3.5")]}
            self.data[row.pk] = data
            submit(data)

    def _fault(self, kind: str) -> None:
        self.shop.sandbox.kra_fault(kind, operation="save_sale", times=1)

    def _code(self, code: str) -> None:
        self.shop.sandbox.kra_fault("result_code", code=code, operation="save_sale", times=1)

    def _kill(self, when: str) -> None:
        module, name = (turn, "send") if when == "before" else (sending.outcomes, "sign")

        def killed(*_args: Any, **_kwargs: Any) -> Any:
            raise SystemExit

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, name, killed)
            try:
                turn_once()
            except SystemExit:
                hurry()

    def _turn(self, times: int) -> None:
        for _ in range(times):
            turn_once()

    def _hurry(self, _value: int) -> None:
        hurry()

    def _resend(self, _value: int) -> None:
        verify_and_resend(KRAInvoice.objects.order_by("pk"))


def check(
    open_shop: Callable[..., Shop], sandbox: SandboxDriver, transport: str, steps: Any
) -> None:
    wipe()
    clear_cache()
    calm()
    sandbox.reset()
    shop = open_shop(transport)
    course = Course(shop)
    for name, value in steps:
        course.step(name, value)
        calm()
    shop.sandbox.post("faults", clear=True, emulator="kra")
    for _ in range(6):
        calm()
        work_on(4)
    assert not KRAInvoice.objects.filter(next_attempt_at__isnull=False).exists()
    states = set(KRAInvoice.objects.values_list("state", flat=True))
    assert states <= {"signed", "rejected", "registered"}
    if transport != "vscu":
        assert "registered" not in states
    if KRABranch.objects.exists():
        assert_books_agree(shop)
        assert KRABranch.objects.get().last_invoice_number == len(shop.book())
    drain()


# More failures in a row than a circuit endures.
OUTAGE: Any = [("sell", 1), *[("fault", "drop"), ("turn", 1), ("hurry", 0), ("turn", 1)] * 6]
EXAMPLES = settings(
    max_examples=25,
    # An example takes real calls: what fails is told as it is.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@EXAMPLES
@example(steps=OUTAGE)
@given(steps=STEPS)
def test_any_course_by_kras_own_host(
    open_shop: Callable[..., Shop], sandbox: SandboxDriver, steps: Any
) -> None:
    check(open_shop, sandbox, "oscu_direct", steps)


@EXAMPLES
@example(steps=OUTAGE)
@given(steps=STEPS)
def test_any_course_by_the_vscu(
    open_shop: Callable[..., Shop], sandbox: SandboxDriver, steps: Any
) -> None:
    check(open_shop, sandbox, "vscu", steps)


def test_the_pauses_grow() -> None:
    assert list(outcomes.BACKOFF) == sorted(outcomes.BACKOFF)
