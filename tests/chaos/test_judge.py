"""The judge can fail: every kind of disagreement is found, and an honest ledger is acquitted."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from integrations.models import Payment
from tests.chaos.judge import disagreements
from tests.chaos.load import Told
from tests.chaos.orders import Order

ORDERS = [Order(1)]
RECEIPT = "UAE4X7K2QP"


def prompt(**changes: Any) -> dict[str, Any]:
    """A prompt that was paid, and told of."""
    return {
        "reference": "C1-0",
        "amount": 100,
        "checkout_request_id": "ws_1",
        "result_code": "0",
        "receipt": RECEIPT,
        "deliveries": [{"status": 200}],
        **changes,
    }


def payment(**changes: Any) -> Payment:
    """Its payment as it should be."""
    return Payment(
        **{
            "public_id": uuid.UUID(int=1),
            "account_reference": "C1-0",
            "amount": 100,
            "checkout_id": "ws_1",
            "state": "succeeded",
            "receipt": RECEIPT,
            **changes,
        }
    )


def told(**changes: Any) -> Told:
    values = {
        "reference": "C1-0",
        "success": True,
        "payment_id": str(uuid.UUID(int=1)),
        "state": "pending",
        "may_push_again": False,
    }
    return Told(**{**values, **changes})


def verdict(
    prompts: list[dict[str, Any]], payments: list[Payment], answers: list[Told] | None = None
) -> list[str]:
    return disagreements(prompts, payments, answers or [told()], ORDERS)


LOST = {"checkout_id": None, "receipt": None, "state": "unknown", "attention": "look"}
UNHEARD: dict[str, Any] = {"deliveries": [{"status": 503}]}


@pytest.mark.parametrize(
    ("prompts", "payments"),
    [
        ([prompt()], [payment()]),
        ([prompt(result_code="1032", receipt="")], [payment(state="cancelled", receipt=None)]),
        # No callback came through: a query tells no receipt.
        ([prompt(**UNHEARD)], [payment(receipt=None)]),
        # Neither answer nor callback came through: nobody can know, and people look.
        ([prompt(**UNHEARD)], [payment(**LOST)]),
        # It never arrived; nobody can know that either.
        ([], [payment(**LOST)]),
        ([], [payment(state="failed", checkout_id=None, receipt=None)]),
    ],
    ids=["paid", "cancelled", "asked", "lost", "dropped", "refused"],
)
def test_an_honest_ledger_is_acquitted(
    prompts: list[dict[str, Any]], payments: list[Payment]
) -> None:
    assert verdict(prompts, payments) == []


@pytest.mark.parametrize(
    ("prompts", "payments", "complaint"),
    [
        ([prompt(), prompt(reference="C1-1")], [payment()], "C1 was prompted 2 times"),
        ([prompt(reference="C1-1")], [payment()], "C1-1 was prompted, and no payment is stored"),
        ([], [payment()], "C1-0 is succeeded: was never prompted"),
        ([prompt()], [], "C1-0 was answered for, and its payment is gone"),
        ([prompt()], [payment(), payment()], "C1-0 is stored 2 times"),
        ([prompt()], [payment(state="pending")], "C1-0 is pending: the book says succeeded"),
        ([prompt()], [payment(state="failed")], "C1-0 is failed: the book says succeeded"),
        ([prompt(result_code="1032")], [payment()], "the book says cancelled"),
        ([prompt(result_code="")], [payment()], "the book says open"),
        ([prompt()], [payment(amount=101)], "KES 101, the book says 100"),
        ([prompt()], [payment(amount=101)], "the ledger sums up to KES 101, the book to 100"),
        ([prompt()], [payment(checkout_id="ws_2")], "as ws_2, the book says ws_1"),
        ([prompt()], [payment(receipt="OTHER")], "with receipt OTHER"),
        ([prompt()], [payment(receipt=None)], "with receipt None"),
        ([prompt(**UNHEARD)], [payment(**{**LOST, "attention": ""})], "on nobody's work list"),
        ([prompt()], [payment(**LOST)], "its callback was acknowledged"),
        ([prompt(**UNHEARD)], [payment(**{**LOST, "checkout_id": "ws_1"})], "have been asked"),
    ],
)
def test_every_disagreement_is_found(
    prompts: list[dict[str, Any]], payments: list[Payment], complaint: str
) -> None:
    found = verdict(prompts, payments)
    assert any(complaint in line for line in found), found


def test_a_caller_who_was_told_wrongly_or_went_home_is_found() -> None:
    wrongly = verdict([prompt()], [payment()], [told(may_push_again=True)])
    assert wrongly == ["C1-0: the caller was told that nothing was sent, and it was prompted"]
    gone = disagreements([prompt()], [payment()], [], ORDERS)
    assert gone == ["C1 was given up by its caller"]
