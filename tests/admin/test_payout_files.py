"""Payout files in the admin: checked and shown first, followed, paused, cancelled, exported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from integrations.models import (
    Approval,
    AuditEntry,
    BatchState,
    BusinessGrant,
    MpesaSettings,
    Payment,
    PayoutBatch,
)
from integrations.models import PaymentState as S
from tests.admin.test_pay_out_form import login, person
from tests.conftest import run_work
from tests.payments.batches.conftest import (  # noqa: F401
    phone,
    states,
    text_of,
    turn,
    work_through,
)
from tests.payments.results import payouts
from tests.sandbox.driver import SandboxDriver

LIST = "/admin/integrations/payoutbatch/"
FORM = f"{LIST}give/"
RIGHTS = ("view_payment", "view_payoutbatch", "payout_payment", "export_payment")


@pytest.fixture
def clerk(paying: MpesaSettings) -> Client:
    return login(person("clerk", *RIGHTS))


def upload(text: str | bytes, name: str = "may.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())


def typed(client: Client, **changes: Any) -> dict[str, Any]:
    key = client.get(FORM).context["form"].initial["idempotency_key"]
    values = {
        "text": "", "name": "May", "command": "SalaryPayment", "remarks": "Salary",
        "business": "", "idempotency_key": str(key), "seen": "",
    }  # fmt: skip
    return {**values, **changes}


def next_step(answer: Any, form: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The form as the answer's page carries it on."""
    shown = answer.context["form"]
    return {**form, "file": "", "text": shown["text"].value(), "seen": shown["seen"].value(),
            **changes}  # fmt: skip


def give(client: Client, text: str, **changes: Any) -> Any:
    form = typed(client, file=upload(text), **changes)
    return client.post(FORM, next_step(client.post(FORM, form), form), follow=True)


def page(batch: PayoutBatch, part: str = "change") -> str:
    return f"{LIST}{batch.pk}/{part}/"


def test_a_file_is_shown_first_and_goes_out_when_it_is_right(
    clerk: Client,
    sandbox: SandboxDriver,
    work_through: Callable[[PayoutBatch], None],  # noqa: F811
) -> None:
    form = typed(clerk, file=upload(text_of(12)))
    answer = clerk.post(FORM, form)
    html = answer.content.decode()
    total = sum(100 + number % 7 for number in range(12))
    assert f"KES {total:,}.00" in html and f"Pay out 12 rows, KES {total:,}" in html
    assert not Payment.objects.exists()
    done = clerk.post(FORM, next_step(answer, form), follow=True)
    batch = PayoutBatch.objects.get()
    assert done.redirect_chain == [(page(batch), 302)]
    assert (batch.state, batch.count, batch.name, batch.command) == (
        "running", 12, "May", "SalaryPayment",
    )  # fmt: skip
    work_through(batch)
    html = clerk.get(page(batch)).content.decode()
    assert "Finished" in html and f"?batch__id__exact={batch.pk}&amp;state__exact=succeeded" in html
    found = clerk.get(f"/admin/integrations/payment/?batch__id__exact={batch.pk}")
    assert len(found.context["cl"].result_list) == 12
    assert len(payouts(sandbox)) == 12
    row = batch.rows.first()
    assert row is not None
    assert (
        "In the payout file"
        in clerk.get(f"/admin/integrations/payment/{row.pk}/change/").content.decode()
    )


def test_pasted_rows_are_as_good(clerk: Client) -> None:
    form = typed(clerk, text=text_of(3).replace("\n", "\r\n"))
    answer = clerk.post(FORM, form)
    clerk.post(FORM, next_step(answer, form))
    assert PayoutBatch.objects.get().count == 3


def test_the_same_form_sent_twice_is_one_file(clerk: Client) -> None:
    form = typed(clerk, file=upload(text_of(3)))
    second = next_step(clerk.post(FORM, form), form)
    for _ in range(2):
        answer = clerk.post(FORM, second, follow=True)
    assert "given already" in answer.content.decode()
    assert PayoutBatch.objects.count() == 1


def test_faults_are_listed_and_nothing_is_stored(clerk: Client) -> None:
    bad = text_of(2) + "12,ten,<b>A1</b>,x,Jane\n"
    html = clerk.post(FORM, typed(clerk, file=upload(bad))).content.decode()
    assert "3 faults in 3 rows" in html
    assert "<td>phone</td>" in html and "<td>amount</td>" in html and "<td>remarks</td>" in html
    assert not PayoutBatch.objects.exists()
    html = clerk.post(FORM, typed(clerk, file=upload(b"PK\x03\x04"))).content.decode()
    assert "is a spreadsheet" in html
    assert "Choose a file, or paste the rows." in clerk.post(FORM, typed(clerk)).content.decode()


def test_what_is_pointed_out_has_to_be_ticked(clerk: Client) -> None:
    text = text_of(3) + f"{phone(1)},55,BONUS,Bonus,Person 1\n"
    form = typed(clerk, file=upload(text))
    answer = clerk.post(FORM, form)
    html = answer.content.decode()
    assert (
        "Line 5 pays 2547***001 again" in html and 'type="checkbox" name="repeated_phones"' in html
    )
    second = next_step(answer, form)
    assert "Look at this first" in clerk.post(FORM, second).content.decode()
    assert not PayoutBatch.objects.exists()
    assert clerk.post(FORM, {**second, "repeated_phones": "on"}).status_code == 302
    assert PayoutBatch.objects.get().count == 4


def test_another_file_than_the_one_shown_is_shown_first(clerk: Client) -> None:
    form = typed(clerk, file=upload(text_of(3)))
    second = next_step(clerk.post(FORM, form), form)
    answer = clerk.post(FORM, {**second, "text": text_of(4)})
    assert "Pay out 4 rows" in answer.content.decode()
    assert not PayoutBatch.objects.exists()


def test_above_the_limit_it_waits_and_the_approver_sees_the_largest(
    clerk: Client, paying: MpesaSettings
) -> None:
    paying.approve_above = 1000
    paying.save()
    html = give(clerk, text_of(15)).content.decode()
    assert "second person" in html
    batch, approval = PayoutBatch.objects.get(), Approval.objects.get()
    assert batch.state == BatchState.AWAITING_APPROVAL
    boss = login(person("boss", "approve_payout", "view_approval", "view_payment"))
    html = boss.get(f"/admin/integrations/approval/{approval.pk}/change/").content.decode()
    assert "The largest payouts in it" in html and "Payout file" in html and batch.digest in html
    boss.post(f"/admin/integrations/approval/{approval.pk}/approve/")
    batch.refresh_from_db()
    assert batch.state == BatchState.RUNNING


def test_buttons_pause_go_on_and_cancel(
    clerk: Client, paying: MpesaSettings, sandbox: SandboxDriver,
    work_through: Callable[[PayoutBatch], None],  # noqa: F811
) -> None:  # fmt: skip
    paying.requests_per_second = 3
    paying.save()
    give(clerk, text_of(8))
    batch = PayoutBatch.objects.get()
    turn(batch)
    run_work("payments")
    before = clerk.get(page(batch, "live")).json()
    assert before["ended"] is False
    assert (
        "Paused: no further row" in clerk.post(page(batch, "pause"), follow=True).content.decode()
    )
    assert clerk.get(page(batch, "live")).json()["state"] != before["state"]
    assert "Go on" in clerk.get(page(batch)).content.decode()
    clerk.post(page(batch, "resume"))
    answer = clerk.post(page(batch, "cancel"), follow=True)
    assert "never is" in answer.content.decode()
    work_through(batch)
    assert states(batch) == {"succeeded": 3, "cancelled": 5}
    assert clerk.get(page(batch, "live")).json()["ended"] is True
    late = clerk.post(page(batch, "pause"), follow=True)
    assert "can&#x27;t be done: it is cancelled" in late.content.decode()


def test_failed_rows_are_paid_again_by_a_button(clerk: Client) -> None:
    give(clerk, text_of(3))
    batch = PayoutBatch.objects.get()
    batch.rows.update(state=S.FAILED, next_attempt_at=None, work_state="idle")
    PayoutBatch.objects.update(state=BatchState.FINISHED)
    assert "Pay 3 failed again" in clerk.get(page(batch)).content.decode()
    clerk.post(page(batch, "retry"))
    made = PayoutBatch.objects.get(retry_of=batch)
    assert made.count == 3
    assert "Pays again what failed in" in clerk.get(page(made)).content.decode()
    again = clerk.post(page(batch, "retry"), follow=True)
    assert "No failed row is left" in again.content.decode()


def test_results_are_a_file_without_formulas(clerk: Client) -> None:
    give(clerk, text_of(3).replace("Person 1", "=HYPERLINK(1)"))
    batch = PayoutBatch.objects.get()
    answer = clerk.post(page(batch, "results"))
    lines = answer.getvalue().decode("utf-8-sig").splitlines()
    assert len(lines) == 4 and "254712000000" in lines[1]
    assert "'=HYPERLINK(1)" in lines[2]
    assert AuditEntry.objects.filter(action="payout_file.exported").exists()


@pytest.mark.parametrize("part", ["pause", "resume", "cancel", "retry", "results"])
def test_buttons_are_posts_for_those_who_may(clerk: Client, part: str) -> None:
    give(clerk, text_of(2))
    batch = PayoutBatch.objects.get()
    assert clerk.get(page(batch, part)).status_code == 405
    looker = login(person("looker", "view_payoutbatch"))
    assert looker.post(page(batch, part)).status_code == 403
    assert looker.get(FORM).status_code == 403
    BusinessGrant.objects.create(user=person("x"), business="b9")
    bob = login(person("bob", *RIGHTS, business="b2"))
    assert bob.post(page(batch, part)).status_code == 404
    assert bob.get(page(batch, "live")).status_code == 404
    batch.refresh_from_db()
    assert batch.state == BatchState.RUNNING
