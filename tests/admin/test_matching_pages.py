"""Expected payments, receipts to match and C2B addresses in the admin."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from integrations.models import (
    Allotment,
    AuditEntry,
    C2BRegistration,
    ExpectedPayment,
    MpesaSettings,
    Payment,
)
from integrations.payments import ledger, work_list
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.sandbox.driver import SandboxDriver

HOSTILE = (
    "<script>alert(1)</script>",
    '=HYPERLINK("http://x")',
    "\u202egnirts",
    "@SUM(A1)",
    "x" * 64,
)
ALL = ("view_allotment", "view_expectedpayment", "match_payment", "export_expectedpayment")


@pytest.fixture
def payment(row: MpesaSettings) -> Payment:
    return received(1)


def received(number: int, **changes: Any) -> Payment:
    values = {
        "provider": "mpesa", "product": "c2b", "environment": "sandbox", "amount": Decimal(1000),
        "account_reference": "rent <b>", "receipt": f"UAE4X7K{number:03}",
        "party": "2547 ***** 678", "party_name": "JANE", "short_code": "174379", **changes,
    }  # fmt: skip
    return ledger.receive(values, kind="c2b_confirmation", text="Paid.", data={})


def expected(reference: str = "INV001", amount: int = 1000) -> ExpectedPayment:
    MpesaPaymentService.expect_payment(reference, amount)
    return ExpectedPayment.objects.get(reference=reference)


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:integrations_{name}", args=args)


def text_of(response: Any) -> str:
    return str(response.content.decode())


def test_a_receipt_is_matched_by_hand(payment: Payment, client_of: Callable[..., Client]) -> None:
    client = client_of(*ALL)
    chosen, allotment = expected(), Allotment.objects.get()
    page = text_of(client.get(url("allotment_change", allotment.pk)))
    assert "INV001" in page
    assert "rent &lt;b&gt;" in page
    assert "<b>" not in page.replace("<bdi>", "")
    answer = client.post(
        url("allotment_match", allotment.pk), {"expectation": chosen.pk}, follow=True
    )
    assert "Matched to INV001." in text_of(answer)
    chosen.refresh_from_db()
    assert chosen.state == "paid"
    assert AuditEntry.objects.get(action="payment.matched").actor_name.startswith("user-")


def test_others_are_found_by_reference_in_any_spelling(
    payment: Payment, client_of: Callable[..., Client]
) -> None:
    client = client_of(*ALL)
    expected("INV-900", 5)
    allotment = Allotment.objects.get()
    page = url("allotment_change", allotment.pk)
    assert "INV-900" not in text_of(client.get(page))
    assert "INV-900" in text_of(client.get(page, {"reference": "inv 900\x00"}))
    assert "Nothing is expected under this reference" in text_of(
        client.get(page, {"reference": "nothing"})
    )


def test_a_receipt_is_left_on_account_with_a_note(
    payment: Payment, client_of: Callable[..., Client]
) -> None:
    client = client_of(*ALL)
    allotment = Allotment.objects.get()
    account = url("allotment_account", allotment.pk)
    assert "Note: write" in text_of(client.post(account, {"note": " "}, follow=True))
    client.post(account, {"note": "Deposit\x00 <i>"})
    allotment.refresh_from_db()
    assert (allotment.status, allotment.note) == ("on_account", "Deposit <i>")


@pytest.mark.parametrize("chosen", ["", "x", "999999", "9" * 40, "-1"])
def test_what_is_no_choice_is_told(
    payment: Payment, client_of: Callable[..., Client], chosen: str
) -> None:
    allotment = Allotment.objects.get()
    answer = client_of(*ALL).post(
        url("allotment_match", allotment.pk), {"expectation": chosen}, follow=True
    )
    assert "Choose one of the expected payments" in text_of(answer)


def test_who_may_only_look_gets_no_buttons(
    payment: Payment, client_of: Callable[..., Client]
) -> None:
    client = client_of("view_allotment", "view_expectedpayment", "view_c2bregistration")
    allotment, chosen = Allotment.objects.get(), expected()
    assert "Leave on account" not in text_of(client.get(url("allotment_change", allotment.pk)))
    for name in ("allotment_match", "allotment_account"):
        assert client.post(url(name, allotment.pk)).status_code == 403
        assert client.get(url(name, allotment.pk)).status_code == 405
    assert client.post(url("expectedpayment_cancel", chosen.pk)).status_code == 403
    for name in ("allotment", "expectedpayment", "c2bregistration"):
        assert client.post(url(f"{name}_export")).status_code == 403


def test_an_expectation_is_cancelled_after_a_question(
    row: MpesaSettings, client_of: Callable[..., Client]
) -> None:
    client = client_of(*ALL)
    received(1, account_reference="inv 001")
    chosen = expected()
    page = text_of(client.get(url("expectedpayment_change", chosen.pk)))
    assert "UAE4X7K001" in page
    cancel = url("expectedpayment_cancel", chosen.pk)
    assert "goes back to the list" in text_of(client.get(cancel))
    assert "is expected no longer" in text_of(
        client.post(cancel, {"confirmed": "yes"}, follow=True)
    )
    assert Allotment.objects.get().status == "unmatched"


@pytest.mark.parametrize("typed", HOSTILE)
def test_what_a_payer_typed_is_shown_harmlessly(
    row: MpesaSettings, client_of: Callable[..., Client], typed: str
) -> None:
    client = client_of(*ALL, "view_payment", "export_payment")
    made = received(1, account_reference=typed, party_name=typed[:60])
    allotment = Allotment.objects.get()
    for page in (
        url("allotment_changelist"), url("allotment_change", allotment.pk),
        url("payment_changelist"), url("payment_change", made.pk),
    ):  # fmt: skip
        assert "<script>alert" not in text_of(client.get(page))
    for name, column in (
        ("allotment_export", "payment__account_reference"), ("payment_export", "account_reference"),
    ):  # fmt: skip
        text = client.post(url(name)).getvalue().decode("utf-8-sig")
        [line] = csv.DictReader(io.StringIO(text, newline=""))
        assert line[column] in (typed, f"'{typed}")
        assert not line[column].startswith(("=", "@", "+", "-"))


def test_lists_are_searched_and_exported(
    payment: Payment, client_of: Callable[..., Client]
) -> None:
    client = client_of(*ALL)
    expected("INV-900", 5)
    lists = {"allotment": "uae4x7k001", "expectedpayment": "inv900"}
    for name, term in lists.items():
        page = url(f"{name}_changelist")
        assert "1 " in text_of(client.get(page, {"q": term}))
        assert client.get(page, {"q": "\x00'\""}).status_code == 200
        text = client.post(f"{url(f'{name}_export')}?q={term}").getvalue().decode("utf-8-sig")
        assert len(list(csv.DictReader(io.StringIO(text, newline="")))) == 1
    assert AuditEntry.objects.filter(action__endswith=".exported").count() == 2


def test_the_work_list_knows_what_waits(row: MpesaSettings, client_of: Any) -> None:
    received(1)
    received(2, account_reference="INV001", amount=Decimal(5))
    expected()
    found = {source.name: source for source in work_list.sources()}
    lines = {
        name: [found[name].line(each) for each in found[name].rows()]
        for name in ("receipts", "expectations")
    }
    assert [line.reference for line in lines["receipts"]] == ["UAE4X7K001"]
    assert [line.reference for line in lines["expectations"]] == ["INV001"]
    assert "995.00 is missing" in lines["expectations"][0].reason
    client = client_of(*ALL)
    for name, model in (("receipts", "allotment"), ("expectations", "expectedpayment")):
        page = f"{url(f'{model}_changelist')}?{found[name].list_query}"
        assert lines[name][0].reference in text_of(client.get(page))


# --- addresses --------------------------------------------------------------------------------


def test_addresses_are_registered_after_a_question_and_shown_once(
    row: MpesaSettings, allowed: SandboxDriver, client_of: Callable[..., Client]
) -> None:
    client = client_of("view_c2bregistration", "register_c2b", "view_mpesasettings")
    assert "Register C2B addresses" in text_of(client.get(url("mpesasettings_change", row.pk)))
    page = url("c2bregistration_register", row.pk)
    question = text_of(client.get(page))
    assert "takes the payment" in question
    assert not C2BRegistration.objects.exists()
    answer = client.post(page, {"confirmed": "yes"})
    assert "no-store" in answer["Cache-Control"]
    [told] = allowed.book()["registrations"]
    shown = text_of(answer)
    assert told["confirmation_url"] in shown
    assert told["validation_url"] in shown
    registration = C2BRegistration.objects.get()
    token = told["confirmation_url"].rstrip("/").rsplit("/", 1)[1]
    for later in (
        url("c2bregistration_changelist"), url("c2bregistration_change", registration.pk),
    ):  # fmt: skip
        assert token not in text_of(client.get(later))
    retire = url("c2bregistration_retire", registration.pk)
    assert "is not told of this" in text_of(client.get(retire))
    client.post(retire, {"confirmed": "yes", "accepted": "yes"})
    registration.refresh_from_db()
    assert registration.retired_at is not None
    actions = AuditEntry.objects.filter(action__startswith="c2b.").order_by("pk")
    assert [entry.action for entry in actions] == [
        "c2b.registering", "c2b.registered", "c2b.retired",
    ]  # fmt: skip


def test_who_may_not_register_is_refused(
    row: MpesaSettings, client_of: Callable[..., Client]
) -> None:
    page = url("c2bregistration_register", row.pk)
    assert client_of("view_c2bregistration").get(page).status_code == 403
    other = client_of("view_c2bregistration", "register_c2b", businesses=("other",))
    assert other.post(page, {"confirmed": "yes"}).status_code == 404
    assert not C2BRegistration.objects.exists()
