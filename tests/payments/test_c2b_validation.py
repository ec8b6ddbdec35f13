"""Validation: answered in time, by the rule or the host's word, and kept."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from integrations.models import InboundCallback, MpesaSettings, Payment
from integrations.payments import expectations
from integrations.payments.c2b_rules import C2BQuestion
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.payments.c2b_letters import Addresses, letter, post_c2b, registered

expect = MpesaPaymentService.expect_payment
ACCEPTED = {"ResultCode": "0", "ResultDesc": "Accepted"}


@pytest.fixture
def addresses(mpesa: MpesaSettings, public_url: str) -> Addresses:
    return registered(public_url)


def use(mpesa: MpesaSettings, **values: Any) -> None:
    for name, value in values.items():
        setattr(mpesa, name, value)
    mpesa.save()


def ask(addresses: Addresses, **changes: Any) -> str:
    """The code that M-Pesa is answered with."""
    answer = post_c2b(addresses.validation, letter(OrgAccountBalance="", **changes))
    assert answer.status_code == 200
    body = answer.json()
    assert body == ACCEPTED or body["ResultDesc"] == "Rejected"
    return str(body["ResultCode"])


def test_without_a_rule_every_payment_is_taken_and_kept(addresses: Addresses) -> None:
    assert ask(addresses, BillRefNumber="anything <b>") == "0"
    callback = InboundCallback.objects.get()
    assert (callback.route, callback.status, callback.work_state) == (
        "c2b-validation", "processed", "done",
    )  # fmt: skip
    assert callback.reason == "Accepted."
    assert callback.processed_at is not None
    assert not Payment.objects.exists()


def test_a_payment_for_another_short_code_is_rejected(addresses: Addresses) -> None:
    assert ask(addresses, BusinessShortCode="600999") == "C2B00015"
    assert "C2B00015" in InboundCallback.objects.get().reason


@pytest.mark.parametrize(("reference", "code"), [
    ("INV001", "0"), ("inv-001", "0"), ("INV002", "C2B00012"), ("", "C2B00012"),
    ("'; DROP TABLE x --", "C2B00012"), ("x" * 10_000, "C2B00012"), (None, "C2B00012"),
])  # fmt: skip
def test_only_expected_references_are_taken(
    mpesa: MpesaSettings, addresses: Addresses, reference: str, code: str
) -> None:
    use(mpesa, c2b_validation="known_reference")
    expect("INV001", 1000)
    assert ask(addresses, BillRefNumber=reference) == code


@pytest.mark.parametrize(("rule", "amount", "code"), [
    ("any", "5.00", "0"), ("any", "5000.00", "0"),
    ("not_more", "999.50", "0"), ("not_more", "1000.00", "0"), ("not_more", "1000.01", "C2B00013"),
    ("exact", "1000.00", "0"), ("exact", "999.00", "C2B00013"), ("exact", "1001.00", "C2B00013"),
])  # fmt: skip
def test_the_amount_of_an_expected_reference(
    mpesa: MpesaSettings, addresses: Addresses, rule: str, amount: str, code: str
) -> None:
    use(mpesa, c2b_validation="known_reference", c2b_amounts=rule)
    expect("INV001", 1000)
    assert ask(addresses, TransAmount=amount) == code


def test_what_is_paid_or_cancelled_is_not_expected(
    mpesa: MpesaSettings, addresses: Addresses
) -> None:
    use(mpesa, c2b_validation="known_reference")
    expect("INV001", 1000)
    assert ask(addresses) == "0"
    expectations.cancel(expectations.ExpectedPayment.objects.get())
    assert ask(addresses) == "C2B00012"


def test_what_can_t_be_read_is_taken_only_without_a_rule(
    mpesa: MpesaSettings, addresses: Addresses
) -> None:
    assert ask(addresses, TransAmount="many") == "0"
    use(mpesa, c2b_validation="known_reference")
    assert ask(addresses, TransAmount="many") == "C2B00016"
    assert post_c2b(addresses.validation, []).status_code == 400  # type: ignore[arg-type]


def test_an_unknown_address_gets_no_answer_of_ours(addresses: Addresses) -> None:
    wrong = addresses.confirmation.replace("c2b-confirmation", "c2b-validation")
    assert post_c2b(wrong, letter()).status_code == 401


# --- the host's word --------------------------------------------------------------------------

questions: list[C2BQuestion] = []
word: Any = None
gate = threading.Event()


def rule(question: C2BQuestion) -> Any:
    questions.append(question)
    if isinstance(word, Exception):
        raise word
    if word == "slow":
        gate.wait(5)
    return word


@pytest.fixture
def host(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what the host's function answers."""
    settings.INTEGRATIONS_C2B_VALIDATOR = f"{__name__}.rule"
    settings.INTEGRATIONS_C2B_VALIDATOR_SECONDS = 0.3
    questions.clear()
    gate.clear()
    yield lambda answer: monkeypatch.setitem(globals(), "word", answer)
    gate.set()


@pytest.mark.parametrize(("answer", "code"), [
    (True, "0"), ("C2B00011", "C2B00011"), ("C2B00014", "C2B00014"), (None, "C2B00012"),
    ("C2B99999", "C2B00012"), (False, "C2B00012"), (7, "C2B00012"),
    (RuntimeError("hunter2"), "C2B00012"), ("slow", "C2B00012"),
])  # fmt: skip
def test_the_host_s_word_counts_and_its_faults_do_not(
    mpesa: MpesaSettings, addresses: Addresses, host: Any, answer: Any, code: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    use(mpesa, c2b_validation="known_reference")
    host(answer)
    assert ask(addresses, BillRefNumber="\u202e<b>\x00") == code
    [question] = questions
    assert (question.rule, question.reference) == ("C2B00012", "<b>")
    is_fault = answer not in (True, None) and code == "C2B00012"
    assert ("c2b_validator_failed" in caplog.text) is is_fault
    assert "hunter2" not in caplog.text


def test_a_function_that_can_t_be_loaded_leaves_it_to_the_rule(
    addresses: Addresses, settings: Any
) -> None:
    settings.INTEGRATIONS_C2B_VALIDATOR = "nowhere.at_all"
    assert ask(addresses) == "0"
