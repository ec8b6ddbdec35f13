"""Every row of the provider's code tables: had from the emulator, settled, told in words.

The rows are those of the Daraja reference, sections 7, 8, 3 and 2, copied here by hand. Each is
produced over real HTTP for every product in which it has a meaning, and what a person then reads
must name the cause and the next step, in our words and not in the provider's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.models import InboundCallback, MpesaQuery, MpesaSettings, Payment
from integrations.payments.c2b_rules import C2BQuestion
from integrations.payments.mpesa_payment import MpesaPaymentService
from integrations.providers.mpesa.codes import C2B_REJECTIONS, explain
from tests.conftest import PHONE
from tests.sandbox.driver import SandboxDriver

service = MpesaPaymentService
Settle = Callable[[], None]

F, X, C, U, P = "failed", "expired", "cancelled", "unknown", "pending"
GATEWAY = [f"1000000{number:02}" for number in range(12)]
# Kept or broken inside the gateway: nobody knows whether it will be carried out.
GATEWAY_STATES = {code: (U if code in ("100000000", "100000004") else F) for code in GATEWAY}
# Section 7's first column of meanings; 0 is every other test's.
STK = {
    "1": F, "2": F, "3": F, "4": F, "8": F, "17": F, "26": F, "1001": F, "1019": X, "1025": F,
    "1032": C, "1036": X, "1037": X, "2001": F, "2028": F, "8006": F, "9999": F, "SFC_IC0003": F,
}  # fmt: skip
# Its second column: "Same code elsewhere".
INITIATOR = {
    "11": F, "15": U, "17": F, "18": F, "20": F, "21": F, "22": F, "24": F, "25": F, "26": F,
    "29": F, "2001": F, "2006": F, "2028": F, "8006": F, "SFC_IC0003": F, **GATEWAY_STATES,
}  # fmt: skip
MONEY = {"1": F, "2": F, "3": F, "4": F, "8": F, "2040": F}
PAYOUT = {**INITIATOR, **MONEY}
REVERSAL = {**PAYOUT, "R000001": F, "R000002": F}
# Names of the initiator's own faults: a question is refused by them and not asked again.
REFUSED, ANSWERED, AGAIN = "refused", "answered", "unanswered"
RETRIED = {"17", "26", "15", "100000000", "100000001", "100000002", "100000003", "100000004",
           "100000011"}  # fmt: skip
QUESTION = {code: (AGAIN if code in RETRIED else REFUSED) for code in INITIATOR}
STATUS = {**QUESTION, "R000002": ANSWERED}
# Section 8: what our validation may answer.
REJECTIONS = [f"C2B000{number}" for number in range(11, 17)]
ABSURD = "Raw text of the provider, for machines"


def in_words(text: str, code: str) -> bool:
    """Whether it names a cause and a next step, and nothing that the provider wrote."""
    sentences = [part for part in text.replace("?", ".").split(". ") if len(part) > 5]
    return len(sentences) >= 2 and ABSURD not in text and code not in text.split()


def show(text: str, code: str) -> None:
    assert in_words(text, code), text
    assert len(text) <= 300


@pytest.mark.parametrize("code", STK)
def test_a_push(mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle, code: str) -> None:
    sandbox.scenario(code, description=ABSURD)
    service.initiate_stk_push(PHONE, 1000, "INV001")
    settle()
    payment = Payment.objects.get()
    assert (payment.state, payment.result_code) == (STK[code], code)
    show(payment.message, code)
    assert payment.result_text == ABSURD


def test_a_push_that_is_still_worked_on(mpesa: MpesaSettings, sandbox: SandboxDriver) -> None:
    """4999 exists in queries only, and says: ask again."""
    sandbox.settings(is_interactive=True)
    service.initiate_stk_push(PHONE, 1000, "INV001")
    Payment.objects.update(work_state="due")
    answer = service.query_stk_status(Payment.objects.get().checkout_id)
    assert Payment.objects.get().state == P
    assert answer[2] is not None
    assert ABSURD not in str(answer)


@pytest.mark.parametrize("code", PAYOUT)
def test_a_payout(paying: MpesaSettings, sandbox: SandboxDriver, settle: Settle, code: str) -> None:
    sandbox.scenario(code, operation="b2c", description=ABSURD)
    service.pay_out(PHONE, 500, "SUP-1")
    settle()
    payment = Payment.objects.get()
    assert payment.state == PAYOUT[code]
    show(payment.message, code)


@pytest.mark.parametrize("code", REVERSAL)
def test_a_reversal(
    paying: MpesaSettings, sandbox: SandboxDriver, settle: Settle, code: str
) -> None:
    service.initiate_stk_push(PHONE, 1000, "INV001")
    settle()
    sandbox.scenario(code, operation="reversal", description=ABSURD)
    service.reverse(Payment.objects.get(), 500, remarks="Too much")
    settle()
    payment = Payment.objects.get(product="reversal")
    assert payment.state == REVERSAL[code]
    show(payment.message, code)


QUESTIONS = [
    *(("transaction_status", code) for code in STATUS),
    *(("account_balance", code) for code in QUESTION),
]


@pytest.mark.parametrize(("kind", "code"), QUESTIONS)
def test_a_question(
    paying: MpesaSettings, sandbox: SandboxDriver, settle: Settle, kind: str, code: str
) -> None:
    sandbox.scenario(code, operation=kind, description=ABSURD)
    if kind == "account_balance":
        service.query_balance()
    else:
        service.query_transaction("UAE4X7K2QP")
    settle()
    # A question that may be asked again is, as a new row, until its patience ends.
    query = MpesaQuery.objects.order_by("pk").first()
    assert query is not None
    expected = (STATUS if kind == "transaction_status" else QUESTION)[code]
    assert (query.state, query.result_code) == (expected, code)
    show(query.message, code)


@pytest.mark.parametrize("code", ["1050", "1051"])
def test_a_standing_order_which_is_not_sold_is_explained(code: str) -> None:
    show(explain(code, "ratiba").sentence, code)


@pytest.mark.parametrize("code", REJECTIONS)
def test_a_validation_that_rejects(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle, settings: Any, code: str
) -> None:
    settings.INTEGRATIONS_C2B_VALIDATOR = f"{__name__}.{code}"
    sandbox.c2b("174379", validation=True)
    assert service.register_c2b_urls()[0]
    service.simulate_c2b(PHONE, 500, "INV001")
    settle()
    [told] = sandbox.book()["c2b"]
    assert told["code"] == code
    assert Payment.objects.count() == 0
    assert sandbox.accounts("174379")["Working Account"] == 10_000_000
    note = InboundCallback.objects.get().reason
    assert C2B_REJECTIONS[code].cause in note
    show(C2B_REJECTIONS[code].sentence, code)


@pytest.mark.parametrize("code", STK)
def test_a_customers_own_payment_that_fails_leaves_nothing(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle, code: str
) -> None:
    """M-Pesa tells the customer; we are told of what was paid only."""
    assert service.register_c2b_urls()[0]
    sandbox.scenario(code, operation="c2b_simulate")
    service.simulate_c2b(PHONE, 500, "INV001")
    settle()
    [told] = sandbox.book()["c2b"]
    assert told["code"] == code
    assert Payment.objects.count() == 0
    show(explain(code, "c2b").sentence, code)


# Sections 3 and 2: code, HTTP status, the fault's options, what becomes of a payment that meets it.
ERRORS: list[tuple[str, dict[str, str], str]] = [
    ("400.002.02", {"field": "PhoneNumber"}, F),
    ("400.002.05", {}, F),
    ("400.003.02", {}, F),
    ("400.008.01", {}, F),
    ("400.008.02", {}, F),
    ("403.002.1001", {}, F),
    ("404.001.01", {}, F),
    ("404.002.01", {}, F),
    ("404.003.01", {}, F),
    ("405.001", {}, F),
    # A rejected token is renewed once, and the call is made again (section 2).
    ("404.001.03", {}, P),
    ("404.001.04", {}, P),
    ("400.003.01", {}, P),
    ("401.002.01", {}, P),
    ("401.001", {}, P),
    ("401", {}, P),
    # A product that is not on the app looks like one, and is refused for good.
    ("401.003.01", {}, F),
    ("500.001.1001", {"means": "wrong_credentials"}, F),
    ("500.001.1001", {"means": "wrong_credentials_older"}, F),
    ("500.001.1001", {"means": "unknown_merchant"}, F),
    ("500.001.1001", {"means": "phone_locked"}, F),
    ("500.001.1001", {}, U),
    ("500.002.1001", {}, U),
    ("500.002.1001", {"means": "maintenance"}, U),
    ("500.003.02", {}, U),
    ("500.003.03", {}, U),
    ("500.003.1001", {}, U),
]
PATHS: dict[str, Callable[[], Any]] = {
    "stk_push": lambda: service.initiate_stk_push(PHONE, 1000, "INV001"),
    "b2c": lambda: service.pay_out(PHONE, 500, "SUP-1"),
    "reversal": lambda: service.reverse(
        Payment.objects.get(product="stk_push"), 500, remarks="Too much"
    ),
}


def rows() -> Iterator[Any]:
    for operation in PATHS:
        for code, options, state in ERRORS:
            # An initiator has no phone that could be locked, and no passkey.
            if operation != "stk_push" and code == "500.001.1001" and options:
                continue
            name = "-".join([operation, code, *options.values()])
            yield pytest.param(operation, code, options, state, id=name)


@pytest.mark.parametrize(("operation", "code", "options", "state"), rows())
def test_an_error_answer(
    paying: MpesaSettings, sandbox: SandboxDriver, settle: Settle,
    operation: str, code: str, options: dict[str, str], state: str,
) -> None:  # fmt: skip
    if operation == "reversal":
        PATHS["stk_push"]()
        settle()
    sandbox.fault("error_code", code=code, operation=operation, **options)
    success, words, data = PATHS[operation]()
    payment = Payment.objects.latest("pk")
    assert data is not None
    assert payment.state == state, payment.message
    assert success is (state == P)
    if state == P:
        return
    assert code not in str(words)
    assert str(words).endswith(".")
    assert len(str(words)) > 30
    assert data["help"]


@pytest.mark.parametrize("means", ["already_registered", "duplicate_notification"])
def test_addresses_that_are_registered_already(
    mpesa: MpesaSettings, sandbox: SandboxDriver, means: str
) -> None:
    sandbox.fault("error_code", code="500.003.1001", means=means, operation="c2b_register")
    success, words, _ = service.register_c2b_urls()
    assert not success
    show(str(words), "500.003.1001")


@pytest.mark.parametrize("code", [code for code, options, _ in ERRORS if not options])
def test_a_question_that_meets_an_error_is_explained(
    paying: MpesaSettings, sandbox: SandboxDriver, code: str
) -> None:
    sandbox.fault("error_code", code=code, operation="account_balance")
    _asked, words, _ = service.query_balance()
    assert code not in str(words)
    assert str(words).endswith(".")


def _always(code: str) -> Callable[[C2BQuestion], str]:
    return lambda question: code


C2B00011, C2B00012, C2B00013 = _always("C2B00011"), _always("C2B00012"), _always("C2B00013")
C2B00014, C2B00015, C2B00016 = _always("C2B00014"), _always("C2B00015"), _always("C2B00016")
