"""C2B against the emulator over real HTTP: registering, validation, confirmation, doubts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from integrations.config import get_snapshot
from integrations.exceptions import ConfigurationError
from integrations.models import (
    AuditEntry,
    C2BRegistration,
    InboundCallback,
    InitiatorAlarm,
    MpesaQuery,
    MpesaSettings,
    Payment,
)
from integrations.payments import c2b
from integrations.payments.initiator import credential_mark
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, mpesa_values, run_work
from tests.hunt.plants import planted
from tests.outbound.servers import LoopbackServer, Request
from tests.outbound.servers import answer as reply
from tests.payments.c2b_letters import letter, post_c2b
from tests.payments.letters import silent_prompt
from tests.sandbox.driver import SandboxDriver

Settle = Callable[[], None]
service = MpesaPaymentService


@pytest.fixture
def shop(mpesa: MpesaSettings, sandbox: SandboxDriver) -> MpesaSettings:
    """The settings, with an initiator that M-Pesa knows."""
    mpesa.initiator_name = "testapi"
    mpesa.certificate = sandbox.certificate()
    mpesa.security_credential = ""
    mpesa.save()
    sandbox.initiator("174379", password=planted("initiator password"))
    return mpesa


def counted() -> Decimal:
    rows = Payment.objects.filter(state="succeeded", direction="in")
    return rows.aggregate(total=Sum("amount"))["total"] or Decimal(0)


def test_addresses_are_registered_and_only_digests_are_kept(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    success, message, data = service.register_c2b_urls()
    assert (success, data and data["state"]) == (True, "registered")
    [told] = sandbox.book()["registrations"]
    registration = C2BRegistration.objects.get()
    tokens = [told[name].rstrip("/").rsplit("/", 1)[1]
              for name in ("confirmation_url", "validation_url")]  # fmt: skip
    assert all(len(token) == 32 for token in tokens)
    assert len(set(tokens)) == 2
    stored = str(C2BRegistration.objects.values().get()) + str(data) + str(message)
    stored += str(list(AuditEntry.objects.values()))
    assert not any(token in stored for token in tokens)
    assert c2b.digest_of(tokens[0]) == registration.confirmation_digest
    assert told["response_type"] == "Completed"
    assert "query" not in told["confirmation_url"]


@pytest.mark.parametrize(("status", "answer"), [
    (400, {"errorCode": "400.002.02", "errorMessage": "Bad Request - Invalid URL {}"}),
    (400, {"fault": {"faultstring": "Invalid URL {}", "detail": {"errorcode": "x"}}}),
    (200, {"ResponseCode": "1", "ResponseDescription": "Invalid URL {}"}),
    (200, {"ResponseCode": "0", "ResponseDescription": "Registered {}"}),
])  # fmt: skip
def test_an_answer_that_repeats_an_address_does_not_give_its_secret_away(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settings: Any, status: int, answer: dict[str, Any]
) -> None:
    sent: list[str] = []

    def repeats(handler: Any, request: Request) -> None:
        if "/oauth/" in request.path:
            reply(body=b'{"access_token": "a", "expires_in": "3599"}')(handler, request)
            return
        sent.append(json.loads(request.body)["ConfirmationURL"])
        told = json.dumps(answer).replace("{}", f"/{sent[0].split('/', 3)[3]}")
        reply(status, told.encode())(handler, request)

    server = LoopbackServer(repeats)
    settings.OUTBOUND_ALLOWED_HOSTS = [server.place]
    mpesa.delete()
    MpesaSettings.objects.create(**mpesa_values(sandbox, sandbox_url=server.url("")))
    try:
        service.register_c2b_urls()
    finally:
        server.stop()
    registration = C2BRegistration.objects.get()
    # Words of ours tell of a success; a refusal repeats M-Pesa's.
    assert ("[hidden]" in registration.message) is (registration.state != "registered")
    token = sent[0].rstrip("/").rsplit("/", 1)[1]
    assert not any(token[:size] in registration.message for size in (8, 32))


def test_a_customer_s_payment_comes_in(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    service.register_c2b_urls()
    service.expect_payment("INV001", 150)
    assert service.simulate_c2b(PHONE, 150, "inv 001")[0]
    settle()
    payment = Payment.objects.get()
    assert (payment.product, payment.state, payment.amount) == ("c2b", "succeeded", 150)
    assert payment.allotment.how == "reference"
    assert payment.receipt == sandbox.book()["c2b"][0]["receipt"]


def test_a_repeated_registration_leaves_the_earlier_addresses_valid(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    first = c2b.register()
    second = c2b.register()
    assert first.confirmation_url != second.confirmation_url
    assert C2BRegistration.objects.filter(retired_at=None).count() == 2
    assert c2b.retire(first.registration) is True
    assert c2b.retire(first.registration) is False


def test_production_takes_addresses_once_and_says_what_to_do(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    service.register_c2b_urls()
    sandbox.settings(is_production=True)
    success, message, data = service.register_c2b_urls()
    assert (success, data and data["state"]) == (False, "refused")
    assert "Safaricom" in str(message)
    assert "174379" in str(message)
    assert C2BRegistration.objects.filter(retired_at=None).count() == 2


def test_a_lost_answer_leaves_the_addresses_answered(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    sandbox.fault("lose_answer", operation="c2b_register", times=None)
    success, message, data = service.register_c2b_urls()
    assert (success, data and data["state"]) == (False, "unknown")
    assert "lost" in str(message)
    sandbox.clear_faults()
    service.simulate_c2b(PHONE, 150, "INV001")
    settle()
    assert counted() == 150


def test_nothing_is_sent_where_the_address_would_be_refused(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settings: Any
) -> None:
    settings.PUBLIC_BASE_URL = "https://mpesa.example.ke"
    success, _, data = service.register_c2b_urls()
    assert (success, data and data["code"]) == (False, "callback_url")
    assert not C2BRegistration.objects.exists()
    assert sandbox.book()["registrations"] == []


def test_registering_is_refused_in_an_open_transaction_and_for_unknown_accounts(
    mpesa: MpesaSettings,
) -> None:
    with transaction.atomic(), pytest.raises(RuntimeError):
        c2b.register()
    with transaction.atomic():
        assert service.register_c2b_urls()[2]["code"] == "open_transaction"  # type: ignore[index]
    with pytest.raises(ConfigurationError):
        c2b.register(short_code="999999")
    assert not C2BRegistration.objects.exists()


def test_nobody_is_played_in_production(mpesa: MpesaSettings) -> None:
    MpesaSettings.objects.filter(pk=mpesa.pk).update(environment="production")
    success, _, data = service.simulate_c2b(PHONE, 10)
    assert (success, data and data["code"]) == (False, "sandbox_only")


def test_validation_is_asked_and_a_rejected_payment_moves_no_money(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    mpesa.c2b_validation = "known_reference"
    mpesa.save()
    service.register_c2b_urls()
    sandbox.c2b("174379", validation=True)
    service.expect_payment("INV001", 150)
    service.simulate_c2b(PHONE, 150, "INV001")
    service.simulate_c2b(PHONE, 150, "INV999")
    settle()
    assert counted() == 150
    answers = InboundCallback.objects.filter(route="c2b-validation").order_by("pk")
    assert sorted(row.reason[:8] for row in answers) == ["Accepted", "Rejected"]


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_push_that_is_also_confirmed_is_one_payment(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle, order: str
) -> None:
    service.register_c2b_urls()
    sandbox.settings(stk_c2b=order)
    service.expect_payment("INV001", 1000)
    assert service.initiate_stk_push(PHONE, 1000, "INV001")[0]
    settle()
    past = timezone.now() - timedelta(seconds=1)
    InboundCallback.objects.filter(status="stored").update(next_attempt_at=past)
    run_work("callbacks")
    payment = Payment.objects.get()
    assert (payment.product, payment.state) == ("stk_push", "succeeded")
    assert payment.receipt == sandbox.prompts()[0]["receipt"]
    assert payment.allotment.expectation.received == 1000  # type: ignore[union-attr]


def test_a_push_whose_callback_is_lost_gets_the_receipt_of_its_confirmation(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    service.register_c2b_urls()
    sandbox.settings(stk_c2b="after")
    prompt = silent_prompt(sandbox, service.initiate_stk_push)
    settle()
    back = timezone.now() - timedelta(seconds=8)
    InboundCallback.objects.update(next_attempt_at=back, received_at=back)
    run_work("callbacks", "payments")
    InboundCallback.objects.filter(status="stored").update(next_attempt_at=back)
    run_work("callbacks")
    payment = Payment.objects.get()
    assert (payment.state, payment.receipt) == ("succeeded", prompt["receipt"])


def work_on_doubts(sandbox: SandboxDriver, settle: Settle) -> None:
    """Ask, hear the answer, look again."""
    for _ in range(3):
        run_work("callbacks", "queries")
        sandbox.settle()
        past = timezone.now() - timedelta(seconds=1)
        InboundCallback.objects.filter(status="stored").update(next_attempt_at=past)
    run_work("callbacks")


def from_elsewhere(shop: MpesaSettings) -> None:
    """What arrives now is taken for doubtful; what comes afterwards is not."""
    row = InboundCallback.objects.get(route="c2b-confirmation")
    InboundCallback.objects.filter(pk=row.pk).update(doubts=["The source address is not listed."])


def test_a_doubted_confirmation_is_settled_by_m_pesa_s_own_word(
    shop: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    service.register_c2b_urls()
    service.simulate_c2b(PHONE, 150, "INV001")
    sandbox.settle()
    from_elsewhere(shop)
    run_work("callbacks")
    assert counted() == 0
    assert MpesaQuery.objects.get().receipt
    work_on_doubts(sandbox, settle)
    assert counted() == 150
    assert InboundCallback.objects.get(route="c2b-confirmation").status == "processed"


@pytest.mark.parametrize(("limit", "asked"), [(149, True), (150, False), (None, False)])
def test_above_a_limit_m_pesa_has_to_confirm(
    shop: MpesaSettings, sandbox: SandboxDriver, settle: Settle, limit: int | None, asked: bool
) -> None:
    shop.confirm_above = limit
    shop.save()
    service.register_c2b_urls()
    service.simulate_c2b(PHONE, 150, "INV001")
    settle()
    assert counted() == (0 if asked else 150)
    work_on_doubts(sandbox, settle)
    assert counted() == 150
    assert MpesaQuery.objects.exists() is asked


def test_a_confirmation_waits_for_a_new_initiator_password_over_night(
    shop: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    shop.confirm_above = 149
    shop.save()
    service.register_c2b_urls()
    service.simulate_c2b(PHONE, 150, "INV001")
    sandbox.settle()
    alarm = InitiatorAlarm.objects.create(
        environment="sandbox", short_code="174379", raised_at=timezone.now(), failures=3,
        credential_mark=credential_mark(get_snapshot("mpesa")),
    )  # fmt: skip
    overnight = timezone.now() - timedelta(hours=12)
    InboundCallback.objects.filter(route="c2b-confirmation").update(received_at=overnight)
    work_on_doubts(sandbox, settle)
    row = InboundCallback.objects.get(route="c2b-confirmation")
    assert (row.status, counted()) == ("stored", 0)
    alarm.delete()
    MpesaQuery.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    work_on_doubts(sandbox, settle)
    assert counted() == 150


def test_a_forged_confirmation_never_counts(
    shop: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    done = c2b.register()
    post_c2b(done.confirmation_url, letter(TransID="UAFORGED01", TransAmount="99000.00"))
    from_elsewhere(shop)
    work_on_doubts(sandbox, settle)
    assert counted() == 0
    row = InboundCallback.objects.get(route="c2b-confirmation")
    assert row.status == "quarantined"
    assert "does not know it" in row.reason


def test_a_doubted_confirmation_with_another_amount_never_counts(
    shop: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    done = c2b.register()
    paid = sandbox.simulate_c2b(150, "INV001", shortcode="174379")
    sandbox.settle()
    InboundCallback.objects.all().delete()
    post_c2b(done.confirmation_url, letter(TransID=paid["receipt"], TransAmount="99000.00"))
    from_elsewhere(shop)
    work_on_doubts(sandbox, settle)
    assert counted() == 0
    row = InboundCallback.objects.get(route="c2b-confirmation")
    assert row.status == "quarantined"
    assert "another amount" in row.reason


def test_a_doubted_confirmation_waits_for_people_where_nobody_can_be_asked(
    mpesa: MpesaSettings, sandbox: SandboxDriver, settle: Settle
) -> None:
    MpesaSettings.objects.filter(pk=mpesa.pk).update(initiator_name="")
    service.register_c2b_urls()
    service.simulate_c2b(PHONE, 150, "INV001")
    sandbox.settle()
    from_elsewhere(mpesa)
    run_work("callbacks")
    row = InboundCallback.objects.get(route="c2b-confirmation")
    assert (row.status, counted()) == ("quarantined", 0)
    assert "can't be asked" in row.reason
