"""Statements by the service and the commands, and the sandbox's own statement, end to end."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from integrations.models import MpesaSettings, Payment, StatementRun
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE
from tests.payments.statements.conftest import pay
from tests.payments.statements.sheets import row, sheet
from tests.sandbox.driver import SandboxDriver

reconcile_statement = MpesaPaymentService.reconcile_statement


def test_the_answer_has_every_count(account: MpesaSettings) -> None:
    pay("UAE0000001")
    done, words, data = reconcile_statement(sheet(row("UAE0000001"), row("UAE2", account="X")))
    assert not done
    assert data and data["faults"] == [
        {"line": 6, "reason": "Receipt No. 'UAE2' is no receipt number"}
    ]
    done, words, data = reconcile_statement(sheet(row("UAE0000001")))
    assert (done, words) == (True, "Statement compared")
    assert data and data["matched"] == 1
    assert (data["state"], data["open"], data["repeated"]) == ("done", 0, False)
    assert (reconcile_statement(sheet(row("UAE0000001")))[2] or {})["repeated"] is True


def test_a_path_is_as_good_as_a_file(account: MpesaSettings, tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_bytes(sheet(row("UAE0000001")).getvalue())
    assert reconcile_statement(str(path))[0]
    assert StatementRun.objects.get().file_name == "day.csv"
    done, words, data = reconcile_statement(tmp_path / "none.csv")
    assert (done, (data or {})["code"]) == (False, "invalid_input")
    assert "No such file" in str(words)


@pytest.mark.parametrize(
    ("options", "code"),
    [({"short_code": "600997"}, "unknown_account"), ({"business": "nobody"}, "unknown_business")],
)
def test_an_account_that_there_is_not(
    account: MpesaSettings, options: dict[str, Any], code: str
) -> None:
    done, _, data = reconcile_statement(sheet(row("UAE0000001")), **options)
    assert (done, (data or {})["code"]) == (False, code)


def test_a_business_that_borrows_the_account_can_not_import_its_statement(
    account: MpesaSettings,
) -> None:
    account.shared = True
    account.save()
    done, _, data = reconcile_statement(sheet(row("UAE0000001")), business="shop")
    assert (done, (data or {})["code"]) == (False, "statement_account")


def test_not_inside_a_transaction(account: MpesaSettings) -> None:
    with transaction.atomic():
        done, _, data = reconcile_statement(sheet(row("UAE0000001")))
    assert (done, (data or {})["code"]) == (False, "open_transaction")


def test_the_command_prints_counts_and_bad_lines(account: MpesaSettings, tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_bytes(sheet(row("UAE0000001", account="X")).getvalue())
    out = io.StringIO()
    call_command("reconcile_statement", str(path), stdout=out)
    assert "missing here: 1" in out.getvalue()
    path.write_bytes(sheet(row("x")).getvalue())
    err = io.StringIO()
    with pytest.raises(CommandError, match="nothing was stored"):
        call_command("reconcile_statement", str(path), stderr=err)
    assert "Line 5: Receipt No." in err.getvalue()


def test_pulling_by_command_says_why_not(account: MpesaSettings) -> None:
    with pytest.raises(CommandError, match="not switched on"):
        call_command("pull_transactions")


@pytest.mark.parametrize("dates", ["dmy", "iso"])
def test_the_sandboxs_statement_settles_what_was_lost(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Callable[[], None], dates: str
) -> None:
    MpesaPaymentService.initiate_stk_push(PHONE, 10, "INV001")
    settle()
    sandbox.fault("no_callback", times=1)
    MpesaPaymentService.initiate_stk_push("0722000000", 20, "INV002")
    sandbox.settle()
    sandbox.simulate_c2b(30, "ACC-7", shortcode="174379")
    sandbox.settle()
    text = sandbox.statement_csv("174379", dates=dates)
    done, _, data = reconcile_statement(io.BytesIO(text.encode()))
    assert done
    assert data and (data["matched"], data["missing_here"], data["settled"]) == (2, 1, 1)
    lost = Payment.objects.get(account_reference="INV002")
    assert (lost.state, bool(lost.receipt)) == ("succeeded", True)
