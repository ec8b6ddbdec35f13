"""One pass over the books and the ledger: what matches, what is settled, what is for people."""

from __future__ import annotations

import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from integrations import work
from integrations.models import (
    DomainEvent,
    MpesaSettings,
    Payment,
    PaymentEvent,
    StatementItem,
    StatementLine,
    StatementRun,
)
from integrations.payments.statements import compare
from integrations.payments.statements.account import Books
from integrations.payments.statements.compare import compare_now
from integrations.payments.statements.start import compare_day, import_file
from tests.conftest import run_work
from tests.payments.statements.conftest import AT, Reconcile, pay
from tests.payments.statements.sheets import charge, paid_out, row, sheet


def findings(run: StatementRun) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in run.items.order_by("id"):
        found.setdefault(item.finding, []).append(item.receipt)
    return found


def test_the_same_receipt_and_amount_match(reconcile: Reconcile) -> None:
    pay("UAE0000001")
    run = reconcile(row("UAE0000001"))
    assert (run.state, run.settled) == ("done", 0)
    assert findings(run) == {"matched": ["UAE0000001"]}
    assert run.totals == {"matched": {"count": 1, "sum": "150.00"}}
    assert not StatementItem.objects.filter(is_open=True).exists()


def test_another_amount_is_for_people_and_changes_nothing(reconcile: Reconcile) -> None:
    payment = pay("UAE0000001")
    run = reconcile(row("UAE0000001", paid_in="155.00"))
    [item] = run.items.all()
    assert (item.finding, item.our_amount, item.their_amount) == ("amount_differs", 150, 155)
    assert (item.is_open, item.payment) == (True, payment)
    payment.refresh_from_db()
    assert (payment.amount, payment.state) == (150, "succeeded")


def test_what_only_they_have_is_missing_here(reconcile: Reconcile) -> None:
    run = reconcile(row("UAE0000001", account="OTHER"), paid_out("UAE0000002", "500.00"))
    assert findings(run) == {"missing_here": ["UAE0000001", "UAE0000002"]}
    assert run.totals["missing_here"] == {"count": 2, "sum": "650.00"}
    assert not Payment.objects.exists()


def test_what_only_we_have_is_missing_there(reconcile: Reconcile) -> None:
    pay("UAE0000001", at=AT + timedelta(hours=1))
    pay("UAE0000002", direction="out", product="b2c")
    pay("UAE0000003", at=AT - timedelta(days=1))
    pay("UAE0000004", short_code="600997")
    run = reconcile(row("UAE0000009", account="X"))
    assert findings(run)["missing_there"] == ["UAE0000001", "UAE0000002"]


@pytest.mark.parametrize("state", ["pending", "unknown"])
def test_unknown_here_and_completed_there_is_settled(reconcile: Reconcile, state: str) -> None:
    payment = pay(state=state)
    run = reconcile(row("UAE0000001"))
    payment.refresh_from_db()
    assert (payment.state, payment.receipt, payment.paid_at) == ("succeeded", "UAE0000001", AT)
    assert (run.settled, findings(run)) == (1, {"matched": ["UAE0000001"]})
    event = PaymentEvent.objects.get(payment=payment, to_state="succeeded")
    assert (event.kind, event.data["receipt"]) == ("statement", "UAE0000001")
    assert DomainEvent.objects.filter(event_type="payment.succeeded").count() == 1


@pytest.mark.parametrize("state", ["failed", "cancelled", "expired"])
def test_failed_here_and_completed_there_is_a_late_success(
    reconcile: Reconcile, state: str
) -> None:
    payment = pay(state=state, completed_at=AT)
    reconcile(row("UAE0000001"))
    payment.refresh_from_db()
    assert payment.state == "succeeded"
    assert "Paid after it was reported as not paid" in payment.attention
    assert DomainEvent.objects.get(event_type="payment.succeeded").payload["late"] is True


def test_a_success_of_a_query_gets_its_receipt(reconcile: Reconcile) -> None:
    payment = pay(state="succeeded", completed_at=AT)
    run = reconcile(row("UAE0000001"))
    payment.refresh_from_db()
    assert (payment.receipt, payment.paid_at) == ("UAE0000001", AT)
    assert findings(run) == {"matched": ["UAE0000001"]}
    assert DomainEvent.objects.get(event_type="payment.receipt").payload["receipt"] == "UAE0000001"


@pytest.mark.parametrize(
    "told",
    [{"account": "INV002", "details": ""}, {"paid_in": "151.00"},
     {"party": "254799999999 - X"}, {"at": "2026-01-14 09:50:00"}, {"at": "2026-01-14 09:20:00"},
     {"status": "Failed"}],
)  # fmt: skip
def test_every_fact_must_fit(reconcile: Reconcile, told: dict[str, str]) -> None:
    payment = pay()
    run = reconcile(row("UAE0000001", **told))
    payment.refresh_from_db()
    assert payment.state == "unknown"
    assert run.settled == 0
    assert not run.items.filter(finding="matched").exists()


def test_an_open_payment_that_is_like_it_is_named(reconcile: Reconcile) -> None:
    payment = pay()
    run = reconcile(row("UAE0000001", paid_in="151.00"))
    item = run.items.get(finding="missing_here")
    assert str(payment.public_id) in item.text
    assert "its amount is KES 150.00" in item.text


def test_two_that_fit_are_for_people(reconcile: Reconcile) -> None:
    pay(state="cancelled", completed_at=AT, at=AT - timedelta(minutes=3))
    pay()
    run = reconcile(row("UAE0000001"))
    assert "2 payments fit it" in run.items.get(finding="missing_here").text
    assert not Payment.objects.filter(state="succeeded").exists()


def test_two_lines_take_one_payment_each(reconcile: Reconcile) -> None:
    pay(at=AT)
    pay(account_reference="INV002")
    run = reconcile(row("UAE0000001"), row("UAE0000002", account="INV002"))
    assert (run.settled, findings(run)) == (2, {"matched": ["UAE0000001", "UAE0000002"]})


def test_one_payment_is_not_two_lines(reconcile: Reconcile) -> None:
    pay()
    run = reconcile(row("UAE0000001"), row("UAE0000002"))
    assert findings(run) == {"matched": ["UAE0000001"], "missing_here": ["UAE0000002"]}


def test_a_till_without_references_needs_a_phone_that_is_certainly_the_same(
    reconcile: Reconcile,
) -> None:
    payment = pay(account_reference="TILL")
    told = {"account": "", "details": "Merchant Payment"}
    run = reconcile(row("UAE0000001", party="JANE", **told))
    assert run.settled == 0
    run = reconcile(row("UAE0000002", **told))
    payment.refresh_from_db()
    assert (run.settled, payment.receipt) == (1, "UAE0000002")


def test_their_books_take_back_what_is_paid_here(reconcile: Reconcile) -> None:
    pay("UAE0000001")
    run = reconcile(row("UAE0000001", status="Declined"))
    item = run.items.get()
    assert (item.finding, item.is_open) == ("state_differs", True)
    assert "Declined" in item.text


def test_an_unknown_payout_is_settled_by_its_originator_id(reconcile: Reconcile) -> None:
    payment = pay(
        direction="out", product="b2c", originator_id="bengo-1", amount=500, account_reference="S1"
    )
    details = "Business Payment to 254712345678 - JANE. Original conversation ID is bengo-1."
    run = reconcile(paid_out("UAE0000001", "500.00", details=details), charge("UAE0000001", "9.00"))
    payment.refresh_from_db()
    assert (payment.state, payment.receipt, payment.charge) == ("succeeded", "UAE0000001", 9)
    assert run.totals["charges"] == {"count": 1, "sum": "9.00"}
    assert findings(run) == {"matched": ["UAE0000001"]}


def test_a_payout_of_another_request_is_not_settled(reconcile: Reconcile) -> None:
    payment = pay(direction="out", product="b2c", originator_id="bengo-1", amount=500)
    details = "Business Payment to 254712345678 - JANE. Original conversation ID is bengo-2."
    reconcile(paid_out("UAE0000001", "500.00", details=details))
    payment.refresh_from_db()
    assert payment.state == "unknown"


def test_a_reversal_is_settled_by_the_receipt_that_it_gives_back(reconcile: Reconcile) -> None:
    original = pay("UAE0000001")
    reversal = pay(direction="out", product="reversal", original=original)
    run = reconcile(
        row("UAE0000001"),
        paid_out("UAE0000005", "150.00", details="Pay Bill Reversal", linked="UAE0000001"),
    )
    reversal.refresh_from_db()
    assert (reversal.state, reversal.receipt) == ("succeeded", "UAE0000005")
    assert run.settled == 1


def test_absence_from_a_complete_statement_is_evidence_and_fails_nothing(
    reconcile: Reconcile,
) -> None:
    payout = pay(direction="out", product="b2c", originator_id="bengo-1")
    later = pay(direction="out", product="b2c", originator_id="bengo-2", at=AT.replace(hour=12))
    run = reconcile(row("UAE0000009", account="X"))
    payout.refresh_from_db()
    # The file proves to be complete up to its last line only: it may be of the morning.
    assert not later.statement_items.exists()
    assert payout.state == "unknown"
    item = run.items.get(payment=payout)
    assert (item.finding, item.is_open) == ("missing_there", True)
    event = PaymentEvent.objects.get(payment=payout, kind="statement_absent")
    assert "is complete and does not have it" in event.text


def test_without_a_period_absence_means_nothing_for_open_payments(reconcile: Reconcile) -> None:
    pay(direction="out", product="b2c", originator_id="bengo-1")
    run = reconcile(
        row("UAE0000008", account="X", at="2026-01-14 06:00:00"),
        row("UAE0000009", account="X", at="2026-01-14 20:00:00"), period=None,
    )  # fmt: skip
    assert not run.is_complete
    assert list(findings(run)) == ["missing_here"]


def test_a_payment_at_the_edge_by_our_clock_belongs_to_the_next_statement(
    reconcile: Reconcile,
) -> None:
    late = AT.replace(hour=23, minute=58)
    pay(state="succeeded", completed_at=late, at=late)
    pay(state="unknown", at=late, account_reference="INV009")
    assert findings(reconcile(row("UAE0000009", account="X"))) == {"missing_here": ["UAE0000009"]}


@pytest.mark.parametrize("days", [(14, 15), (15, 14)])
def test_a_payment_around_midnight_is_judged_once_both_days_are_here(
    reconcile: Reconcile, days: tuple[int, int]
) -> None:
    """In Nairobi: 23:58 and 00:05. Each belongs to neither day by our clock alone."""
    late, early = AT.replace(hour=23, minute=58), AT.replace(day=15, hour=0, minute=5)
    for at in (late, early):
        pay(state="succeeded", completed_at=at, at=at)
    pay(state="unknown", at=early, account_reference="INV009")
    runs = [
        reconcile(
            row(f"UAE00000{day}1", account="X", at=f"2026-01-{day} 01:00:00"),
            row(f"UAE00000{day}2", account="X", at=f"2026-01-{day} 23:40:00"),
            period=(f"2026-01-{day} 00:00:00", f"2026-01-{day} 23:59:59"),
        )
        for day in days
    ]  # fmt: skip
    assert "missing_there" not in findings(runs[0])
    absent = runs[1].items.filter(finding="missing_there").order_by("payment_id")
    states = absent.values_list("payment__state", flat=True)
    assert list(states) == ["succeeded", "succeeded", "unknown"]
    assert all(run.items.filter(finding="missing_here").count() == 2 for run in runs)


def test_the_same_receipt_the_other_way_is_missing_here(reconcile: Reconcile) -> None:
    pay("UAE0000001")
    run = reconcile(row("UAE0000001"), paid_out("UAE0000001", "150.00"))
    assert findings(run) == {"matched": ["UAE0000001"], "missing_here": ["UAE0000001"]}


def test_a_file_that_comes_twice_is_one_run(reconcile: Reconcile) -> None:
    first, second = reconcile(row("UAE0000001")), reconcile(row("UAE0000001"))
    assert first == second
    assert (StatementRun.objects.count(), StatementItem.objects.count()) == (1, 1)
    assert not import_file(sheet(row("UAE0000001"))).is_new


def test_another_file_with_the_same_lines_doubles_nothing(reconcile: Reconcile) -> None:
    pay("UAE0000002")
    first = reconcile(row("UAE0000001", account="X"), row("UAE0000002"))
    second = reconcile(row("UAE0000002"), row("UAE0000001", account="X"))
    assert StatementLine.objects.count() == 2
    assert (second.lines, second.new_lines) == (2, 0)
    # The newer word counts: what is open is open once.
    assert list(StatementItem.objects.filter(is_open=True).values_list("run")) == [(second.pk,)]
    assert first.items.filter(note__contains=f"statement {second.pk}").count() == 1


def test_a_line_that_was_pending_is_filled_in_by_a_later_file(reconcile: Reconcile) -> None:
    payment = pay()
    reconcile(row("UAE0000001", status="Pending"))
    payment.refresh_from_db()
    assert payment.state == "unknown"
    reconcile(row("UAE0000001"))
    payment.refresh_from_db()
    assert payment.state == "succeeded"
    assert StatementLine.objects.get().status == "Completed"


def test_what_a_person_resolved_stays_resolved(reconcile: Reconcile, admin_user: Any) -> None:
    reconcile(row("UAE0000001", account="X"))
    StatementItem.objects.update(is_open=False, resolved_by=admin_user, note="Rent, by bank.")
    run = reconcile(row("UAE0000001", account="X"), row("UAE0000002"))
    item = run.items.get(receipt="UAE0000001")
    assert (item.is_open, item.note) == (False, "Rent, by bank.")


def test_a_killed_comparison_goes_on_and_tells_of_nothing_twice(
    account: MpesaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "CHUNK", 2)
    rows = [row(f"UAE000000{n}", account=f"INV{n}") for n in range(7)]
    for n in range(4):
        pay(f"UAE000000{n}", account_reference=f"INV{n}")
    for n in (7, 8, 9):
        pay(f"UAE000000{n}")
    run = import_file(sheet(*rows)).run
    claim = work.claim_rows(work.get_queue("statements"), limit=1)
    [mine] = claim.rows
    for _ in range(3):
        assert compare.step(mine)
    before = set(StatementItem.objects.values_list("pk", "receipt"))
    assert before
    # The worker is killed here: its lease ends, another one takes over.
    StatementRun.objects.filter(pk=run.pk).update(work_state="due", claim_token="")
    assert compare_now(run)
    after = set(StatementItem.objects.values_list("pk", "receipt"))
    assert before <= after
    receipts = sorted(receipt for _, receipt in after)
    assert receipts == [f"UAE000000{n}" for n in range(10)]
    assert run.totals["matched"]["count"] == 4
    assert run.totals["missing_here"]["count"] == 3
    assert run.totals["missing_there"]["count"] == 3
    # The first worker wakes up again: its piece counts for nothing.
    assert not compare.step(mine)
    assert StatementItem.objects.count() == 10


def test_a_piece_that_breaks_leaves_nothing(
    account: MpesaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = pay()
    run = import_file(sheet(row("UAE0000001"))).run

    def break_off(*_: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(compare, "close_earlier", break_off)
        with pytest.raises(RuntimeError):
            compare_now(run)
    payment.refresh_from_db()
    assert (payment.state, StatementItem.objects.count()) == ("unknown", 0)
    StatementRun.objects.filter(pk=run.pk).update(work_state="due", claim_token="")
    assert compare_now(run)
    payment.refresh_from_db()
    assert payment.state == "succeeded"


def test_a_worker_compares_what_was_imported(account: MpesaSettings) -> None:
    pay("UAE0000001")
    run = import_file(sheet(row("UAE0000001"))).run
    run_work("statements")
    run.refresh_from_db()
    assert (run.state, run.work_state) == ("done", "done")


def test_an_import_that_was_cut_off_goes_on_with_the_same_file(
    account: MpesaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from integrations.payments.statements import start, store

    monkeypatch.setattr(store, "CHUNK", 1)
    stored = store.store_file

    def cut_off(*args: Any) -> Any:
        yield next(stored(*args))
        raise KeyboardInterrupt

    rows = [row("UAE0000001", account="X"), row("UAE0000002", account="Y")]
    with monkeypatch.context() as patch:
        patch.setattr(start, "store_file", cut_off)
        with pytest.raises(KeyboardInterrupt):
            import_file(sheet(*rows))
    assert StatementRun.objects.get().state == "importing"
    started = import_file(sheet(*rows))
    assert (started.is_new, StatementLine.objects.count()) == (True, 2)
    assert compare_now(started.run)
    assert StatementRun.objects.get().items.count() == 2


def test_pulled_lines_say_nothing_of_money_out(account: MpesaSettings) -> None:
    pay("UAE0000001")
    pay("UAE0000002", direction="out", product="b2c")
    books = Books("mpesa", "", "sandbox", "174379")
    day = AT.replace(hour=0, minute=0, second=0)
    run = compare_day(books, day, day + timedelta(days=1) - timedelta(microseconds=1))
    assert compare_day(books, run.period_from, run.period_to) == run
    assert compare_now(run)
    assert findings(run) == {"missing_there": ["UAE0000001"]}


def test_another_businesss_payments_are_neither_shown_nor_moved(
    reconcile: Reconcile, account: MpesaSettings
) -> None:
    """A forged statement of a business that claims another one's short code."""
    victim = pay(business="victim")
    paid = pay("UAE0000007", business="victim")
    MpesaSettings.objects.create(business="victim", short_code="174379")
    run = reconcile(row("UAE0000001"), row("UAE0000007"))
    victim.refresh_from_db()
    assert victim.state == "unknown"
    assert findings(run) == {"missing_here": ["UAE0000001", "UAE0000007"]}
    assert not StatementItem.objects.exclude(payment=None).exists()
    assert paid.statement_items.count() == 0


def test_the_installations_account_serves_the_businesses_that_share_it(
    reconcile: Reconcile, account: MpesaSettings
) -> None:
    account.shared = True
    account.save()
    payment = pay(business="shop")
    run = reconcile(row("UAE0000001"))
    payment.refresh_from_db()
    assert (payment.state, run.settled) == ("succeeded", 1)


@pytest.mark.parametrize(
    ("name", "missing"),
    [("Utility Account", ["UAE0000002"]), ("Working Account", ["UAE0000001"]),
     ("All", ["UAE0000001", "UAE0000002"]), ("Charges Paid Account", [])],
)  # fmt: skip
def test_a_statement_of_one_account_lacks_only_what_that_account_would_have(
    account: MpesaSettings, name: str, missing: list[str]
) -> None:
    pay("UAE0000001")
    pay("UAE0000002", direction="out", product="b2c")
    head = f'"Account:","{name}"\r\n'.encode()
    run = import_file(io.BytesIO(head + sheet(row("UAE0000009", account="X")).getvalue())).run
    assert compare_now(run)
    assert sorted(findings(run).get("missing_there", [])) == missing


def test_a_statement_of_today_ends_now(account: MpesaSettings) -> None:
    now = timezone.localtime()
    period = (f"{now:%Y-%m-%d} 00:00:00", f"{now:%Y-%m-%d} 23:59:59")
    run = import_file(sheet(row("UAE0000009", at=period[0]), period=period)).run
    assert run.period_to - now < timedelta(minutes=1)


def test_amounts_stay_exact(reconcile: Reconcile) -> None:
    pay("UAE0000001", amount=Decimal("9999999999.99"))
    run = reconcile(row("UAE0000001", paid_in="9,999,999,999.99"))
    assert run.totals["matched"] == {"count": 1, "sum": "9999999999.99"}


def test_two_thousand_payments_in_one_pass(account: MpesaSettings, tmp_path: Any) -> None:
    """The benchmark's day, small: its findings, and that pieces don't grow queries with size."""
    from benchmarks.statement import plant

    path = tmp_path / "day.csv"
    with path.open("w", newline="", encoding="utf-8") as file, transaction.atomic():
        expected = plant(2000, file)
    with path.open("rb") as file:
        run = import_file(file, name="day.csv").run
    connection.force_debug_cursor = True
    try:
        connection.queries_log.clear()
        assert compare_now(run)
        count = len(connection.queries_log)
    finally:
        connection.force_debug_cursor = False
    totals = {name: each["count"] for name, each in run.totals.items() if name != "charges"}
    assert totals == expected
    assert run.settled == 10
    # Five pieces, inserts of a thousand rows in parts of the database's, ten settlements.
    assert count < 500
