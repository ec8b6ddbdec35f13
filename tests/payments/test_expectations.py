"""Expected payments: what comes finds its place, and the sums are always those of the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.exceptions import InvalidInput
from integrations.models import (
    Allotment,
    AuditEntry,
    DomainEvent,
    ExpectedPayment,
    MpesaSettings,
    Payment,
    PaymentState,
    acting,
)
from integrations.payments import expectations, ledger, matching
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.payments.references import clean_reference, reference_key
from tests.payments.c2b_letters import HASHED, MASKED, PHONE

pytestmark = pytest.mark.django_db(transaction=True)
expect = MpesaPaymentService.expect_payment


@pytest.fixture(autouse=True)
def settings_row(transactional_db: None) -> MpesaSettings:
    return MpesaSettings.objects.create(short_code="174379")


def received(number: int = 1, **changes: Any) -> Payment:
    """A C2B payment comes."""
    values = {
        "provider": "mpesa", "product": "c2b", "environment": "sandbox", "amount": Decimal(1000),
        "account_reference": "INV001", "receipt": f"UAE4X7K{number:03}", "party": MASKED,
        "short_code": "174379", **changes,
    }  # fmt: skip
    return ledger.receive(values, kind="c2b_confirmation", text="Paid.", data={})


def pushed(**changes: Any) -> Payment:
    """A push that waits for its result."""
    values = {
        "provider": "mpesa", "product": "stk_push", "environment": "sandbox", "amount": 1000,
        "account_reference": "INV001", "phone": PHONE, "short_code": "174379", "state": "pending",
        "sent_at": timezone.now(), "next_attempt_at": None, **changes,
    }  # fmt: skip
    return Payment.objects.create(**values)


def succeed(payment: Payment) -> None:
    assert ledger.transition(payment, PaymentState.SUCCEEDED, kind="callback")


def standing(reference: str = "INV001") -> tuple[str, Decimal]:
    return ExpectedPayment.objects.values_list("state", "received").get(reference=reference)


def events() -> list[str]:
    rows = DomainEvent.objects.filter(event_type__startswith="expectation.").order_by("pk")
    return [name.removeprefix("expectation.") for name in rows.values_list("event_type", flat=True)]


@pytest.mark.parametrize("typed", ["INV001", "inv001", "Inv-001", " inv 001 ", "INV\u2013001"])
def test_case_spaces_and_dashes_of_a_reference_do_not_count(typed: str) -> None:
    expect("INV001", 1000)
    received(account_reference=typed)
    assert standing() == ("paid", 1000)
    assert Allotment.objects.get().how == "reference"


def test_references_that_differ_in_more_are_not_the_same() -> None:
    assert len({reference_key(text) for text in ("1/12", "11/2", "112", "a1", "à1")}) == 5


def test_several_receipts_for_one_expectation() -> None:
    expect("INV001", 1000)
    for number, (amount, state) in enumerate(
        [("400.50", "partly_paid"), ("599.50", "paid"), ("1.00", "overpaid")]
    ):
        received(number, amount=Decimal(amount))
        assert standing()[0] == state
    assert standing()[1] == Decimal("1001.00")
    assert events() == ["partly_paid", "paid", "overpaid"]


def test_a_push_and_a_c2b_payment_are_allotted_alike() -> None:
    expect("INV001", 2000)
    succeed(pushed())
    received()
    assert standing() == ("paid", 2000)


def test_a_push_that_nobody_expects_costs_one_query_and_is_not_on_the_list() -> None:
    payment = pushed()
    payment.state = PaymentState.SUCCEEDED
    with CaptureQueriesContext(
        connection,
    ) as queries:
        expectations.allot(payment)
    assert len(queries) == 1
    assert not Allotment.objects.exists()


@pytest.mark.parametrize("party", [MASKED, HASHED, PHONE, "25471****678"])
def test_a_known_phone_is_found_again_in_a_masked_or_hashed_one(party: str) -> None:
    expect("INV001", 1000, phone="0712345678")
    expect("INV002", 1000, phone="0712345999")
    received(account_reference="rent", party=party)
    assert standing() == ("paid", 1000)
    assert Allotment.objects.get().how == "phone"


@pytest.mark.parametrize("changes", [
    {"amount": Decimal(999)}, {"party": "2547 ***** 111"}, {"party": ""}, {"party": "***"},
    {"environment": "production"}, {"business": "other"}, {"currency": "USD"},
])  # fmt: skip
def test_a_phone_finds_nothing_where_anything_else_differs(changes: dict[str, Any]) -> None:
    expect("INV001", 1000, phone="0712345678")
    received(account_reference="rent", **changes)
    assert standing() == ("open", 0)
    assert Allotment.objects.get().status == "unmatched"


def test_a_phone_that_fits_two_expectations_finds_none() -> None:
    expect("INV001", 1000, phone="0712345678")
    expect("INV002", 1000, phone="0712345678")
    payment = received(account_reference="rent")
    assert Allotment.objects.get().status == "unmatched"
    told = DomainEvent.objects.get(event_type="payment.unmatched")
    assert told.payload["payment_id"] == str(payment.public_id)


def test_of_two_with_one_reference_the_exact_amount_is_found_and_else_the_older() -> None:
    expect("ACC-7", 500)
    expect("ACC-7", 1000)
    received(1, account_reference="acc7")
    states = ExpectedPayment.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["open", "paid"]
    received(2, account_reference="acc7", amount=Decimal(300))
    assert list(states.all()) == ["partly_paid", "paid"]


@pytest.mark.parametrize(("typed", "paid"), [
    ("1-23", ["open", "paid"]), ("1 23", ["open", "paid"]), ("12-3", ["paid", "open"]),
    ("123", ["open", "open"]), ("1-2-3", ["open", "open"]), ("-1-23-", ["open", "paid"]),
])  # fmt: skip
def test_references_that_differ_in_where_a_dash_stands_are_told_apart(
    typed: str, paid: list[str]
) -> None:
    expect("12-3", 1000)
    expect("1-23", 1000)
    received(account_reference=typed)
    states = ExpectedPayment.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == paid


def test_a_reference_is_found_among_very_many_of_the_same_amount(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matching, "MOST_CANDIDATES", 3)
    for number in range(6):
        expect(f"PUPIL-{number}", 1000, phone=f"071234500{number}")
    received(account_reference="pupil 5")
    assert standing("PUPIL-5") == ("paid", 1000)


def test_of_two_spellings_the_one_that_is_still_open_is_meant() -> None:
    expect("12-3", 1000)
    received(1, account_reference="12-3")
    expect("1-23", 1000)
    received(2, account_reference="123")
    assert (standing("12-3"), standing("1-23")) == (("paid", 1000), ("paid", 1000))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_dash_elsewhere_is_another_reference_whichever_came_first(is_first: bool) -> None:
    if is_first:
        received(account_reference="1-23")
    expect("12-3", 1000)
    if not is_first:
        received(account_reference="1-23")
    assert standing("12-3") == ("open", 0)
    expect("1-23", 1000)
    assert standing("1-23") == ("paid", 1000)


def test_of_two_payers_at_once_a_phone_gives_an_expectation_to_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other receipt is stored between our look and our lock."""
    expect("INV001", 1000, phone=PHONE)
    found = expectations.find_match

    def look(payment: Payment) -> Any:
        match = found(payment)
        monkeypatch.setattr(expectations, "find_match", found)
        received(2, account_reference="school")
        return match

    monkeypatch.setattr(expectations, "find_match", look)
    received(1, account_reference="rent")
    assert standing() == ("paid", 1000)
    assert list(Allotment.objects.order_by("status").values_list("status", "payment__receipt")) == [
        ("matched", "UAE4X7K002"), ("unmatched", "UAE4X7K001"),
    ]  # fmt: skip


def test_what_came_before_it_was_expected_is_allotted_when_it_is() -> None:
    received()
    success, _, data = expect("inv 001", 1000)
    assert success
    assert data is not None
    assert (data["state"], data["received"]) == ("paid", "1000.00")
    assert Allotment.objects.get().status == "matched"


def test_an_expired_or_cancelled_expectation_takes_nothing() -> None:
    expect("INV001", 1000, expires_at=timezone.now() - timedelta(seconds=1))
    expect("INV002", 1000)
    expectations.cancel(ExpectedPayment.objects.get(reference="INV002"))
    received(1)
    received(2, account_reference="INV002")
    assert set(Allotment.objects.values_list("status", flat=True)) == {"unmatched"}


def test_cancelling_gives_the_receipts_back_to_the_list() -> None:
    expect("INV001", 1000)
    received()
    expectation = ExpectedPayment.objects.get()
    assert expectations.cancel(expectation) is True
    assert expectations.cancel(expectation) is False
    assert standing() == ("cancelled", 0)
    allotment = Allotment.objects.get()
    assert (allotment.status, allotment.expectation) == ("unmatched", None)
    assert AuditEntry.objects.filter(action="expectation.cancelled").count() == 1


def test_a_reversal_lowers_what_came() -> None:
    expect("INV001", 1000)
    original = received()
    reversal = Payment.objects.create(
        provider="mpesa", product="reversal", direction="out", environment="sandbox", amount=400,
        original=original, state="pending", next_attempt_at=None,
    )  # fmt: skip
    assert standing() == ("paid", 1000)
    succeed(reversal)
    assert standing() == ("partly_paid", 600)
    rest = Payment.objects.create(
        provider="mpesa", product="reversal", direction="out", environment="sandbox", amount=600,
        original=original, state="pending", next_attempt_at=None,
    )  # fmt: skip
    succeed(rest)
    assert standing() == ("open", 0)
    assert events() == ["paid", "partly_paid", "reopened"]


def test_a_merge_moves_the_place_and_counts_once() -> None:
    expect("INV001", 1000)
    stk, own = pushed(state="cancelled"), received()
    assert standing() == ("paid", 1000)
    assert ledger.merge(own, stk, text="The same receipt.")
    assert standing() == ("paid", 1000)
    assert Allotment.objects.get().payment == stk
    assert events() == ["paid"]


def test_a_merge_keeps_what_a_person_decided() -> None:
    expect("INV001", 1000)
    expect("OTHER", 1000)
    stk, own = pushed(state="cancelled"), received(account_reference="rent")
    expectations.match_by_hand(own, ExpectedPayment.objects.get(reference="OTHER"))
    assert ledger.merge(own, stk, text="The same receipt.")
    assert (standing("OTHER"), standing()) == (("paid", 1000), ("open", 0))


def test_money_of_a_business_that_shares_the_account_pays_nothing_of_the_installation_s() -> None:
    expect("INV001", 1000)
    stk, own = pushed(state="cancelled", business="shop"), received()
    assert standing() == ("paid", 1000)
    assert ledger.merge(own, stk, text="The same receipt.")
    assert standing() == ("open", 0)
    assert not Allotment.objects.exists()


def test_merging_is_refused_where_the_money_is_not_the_same() -> None:
    own = received(amount=Decimal(999))
    assert ledger.merge(own, pushed(), text="x") is False
    assert ledger.merge(own, own, text="x") is False
    stk = pushed(receipt="UAEOWN0001", state="succeeded")
    assert ledger.merge(received(2), stk, text="x") is False
    assert set(Payment.objects.values_list("merged_into", flat=True)) == {None}


def test_a_person_matches_and_changes_their_mind() -> None:
    expect("INV001", 1000)
    expect("INV002", 1000)
    payment = received(account_reference="rent")
    first, second = ExpectedPayment.objects.order_by("pk")
    with acting(User.objects.create_user("clerk")):
        expectations.match_by_hand(payment, first)
        assert standing() == ("paid", 1000)
        expectations.match_by_hand(payment, second)
        assert (standing(), standing("INV002")) == (("open", 0), ("paid", 1000))
        expectations.leave_on_account(payment, "Deposit of the tenant")
    assert standing("INV002") == ("open", 0)
    allotment = Allotment.objects.get()
    assert (allotment.status, allotment.note) == ("on_account", "Deposit of the tenant")
    kinds = list(payment.events.values_list("kind", flat=True))
    assert kinds == ["c2b_confirmation", "matched", "matched", "on_account"]
    entries = AuditEntry.objects.filter(action__startswith="payment.").order_by("pk")
    assert {entry.actor_name for entry in entries} == {"clerk"}
    assert entries.count() == 3


def test_what_is_no_money_in_is_not_matched() -> None:
    expect("INV001", 1000)
    expectation = ExpectedPayment.objects.get()
    for payment in (pushed(), pushed(direction="out", state="succeeded", receipt="UAEOUT0001")):
        with pytest.raises(InvalidInput):
            expectations.match_by_hand(payment, expectation)
    with pytest.raises(InvalidInput):
        expectations.match_by_hand(received(2, business="other"), expectation)
    with pytest.raises(InvalidInput):
        expectations.leave_on_account(received(3), " ")


def test_a_repeated_key_is_answered_for_the_first_and_another_wish_is_refused() -> None:
    success, _, first = expect("INV001", 1000, idempotency_key="a")
    assert success
    assert first is not None
    _, _, again = expect("INV001", "1000.00", idempotency_key="a")
    assert again is not None
    assert (again["expectation_id"], again["repeated"]) == (first["expectation_id"], True)
    success, text, data = expect("INV001", 999, idempotency_key="a")
    assert (success, data and data["code"]) == (False, "idempotency_mismatch")
    assert "another amount" in str(text)
    assert ExpectedPayment.objects.count() == 1


@pytest.mark.parametrize(("field", "args", "more"), [
    ("reference", ("", 1), {}), ("reference", ("  -- ", 1), {}), ("reference", ("x" * 65, 1), {}),
    ("reference", ("a\x00b", 1), {}), ("reference", ("\u202eabc", 1), {}),
    ("amount", ("A", 0), {}), ("amount", ("A", -1), {}), ("amount", ("A", 1.5), {}),
    ("amount", ("A", "1.001"), {}), ("phone", ("A", 1), {"phone": "12"}),
    ("expires_at", ("A", 1), {"expires_at": timezone.now().replace(tzinfo=None)}),
    ("description", ("A", 1), {"description": "a\nb"}),
    ("idempotency_key", ("A", 1), {"idempotency_key": " "}),
])  # fmt: skip
def test_a_wish_that_can_t_be_stored_names_its_field(
    field: str, args: tuple[Any, ...], more: dict[str, Any]
) -> None:
    success, text, data = expect(*args, **more)
    assert success is False
    assert data is not None
    assert data["field"] == field
    assert str(text).startswith(field)


def test_an_expectation_of_a_rolled_back_transaction_is_none() -> None:
    with transaction.atomic():
        expect("INV001", 1000)
        transaction.set_rollback(True)
    assert not ExpectedPayment.objects.exists()


# --- the host's rule --------------------------------------------------------------------------

asked: list[Any] = []
answer: Callable[..., Any] = lambda payment, candidates: None  # noqa: E731


def rule(payment: Any, candidates: Any) -> Any:
    asked.append((payment, candidates))
    return answer(payment, candidates)


@pytest.fixture
def host_rule(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Sets what the host's rule answers."""
    settings.INTEGRATIONS_PAYMENT_MATCHER = f"{__name__}.rule"
    asked.clear()

    def use(function: Any) -> None:
        monkeypatch.setitem(globals(), "answer", function)

    return use


def test_the_host_s_rule_names_the_expectation(host_rule: Callable[[Any], None]) -> None:
    _, _, data = expect("TENANT-7", 1000)
    assert data is not None
    host_rule(lambda payment, candidates: data["expectation_id"])
    received(account_reference="house 7 <b>")
    assert standing("TENANT-7") == ("paid", 1000)
    assert Allotment.objects.get().how == "hook"
    payment, candidates = asked[0]
    assert (payment.reference, payment.amount) == ("house 7 <b>", 1000)
    assert candidates == ()


def test_without_a_word_of_the_host_the_rules_decide(host_rule: Callable[[Any], None]) -> None:
    expect("INV001", 1000)
    host_rule(lambda payment, candidates: None)
    received()
    assert Allotment.objects.get().how == "reference"
    assert [each.reference for each in asked[0][1]] == ["INV001"]


def _raise(payment: Any, candidates: Any) -> Any:
    raise RuntimeError("hunter2")


def _broken_query(payment: Any, candidates: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")


@pytest.mark.parametrize("broken", [
    _raise, _broken_query, lambda payment, candidates: "no id",
    lambda payment, candidates: "5f0e6b0e-0000-4000-8000-000000000000",
])  # fmt: skip
def test_a_broken_rule_of_the_host_stops_no_money(
    host_rule: Callable[[Any], None], broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    expect("INV001", 1000)
    host_rule(broken)
    received()
    assert standing() == ("paid", 1000)
    assert "payment_matcher_failed" in caplog.text
    assert "hunter2" not in caplog.text


def test_the_host_s_rule_can_t_reach_into_another_business(
    host_rule: Callable[[Any], None],
) -> None:
    theirs = ExpectedPayment.objects.create(
        business="other", environment="sandbox", reference="X", reference_key="x", amount=1000
    )
    host_rule(lambda payment, candidates: str(theirs.public_id))
    received()
    theirs.refresh_from_db()
    assert theirs.received == 0


def test_a_rule_that_can_t_be_loaded_stops_no_money(settings: Any) -> None:
    settings.INTEGRATIONS_PAYMENT_MATCHER = "nowhere.at_all"
    expect("INV001", 1000)
    received()
    assert standing() == ("paid", 1000)


def test_clean_reference_keeps_what_can_be_seen() -> None:
    assert clean_reference(" a\x00\u202eb\n\tc  d ") == "ab c d"
    assert len(clean_reference("x" * 100_000)) == 64
