"""Client, emulator and parsers together over real HTTP: every product, every code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from integrations.config import Snapshot
from integrations.exceptions import OutcomeUnknown, ProviderError, TransportError
from integrations.providers.mpesa import callbacks, payloads
from integrations.providers.mpesa.callbacks import Result, parse_result
from integrations.providers.mpesa.client import DarajaClient
from integrations.providers.mpesa.codes import RESULTS, Outcome, explain
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.receiver import Receiver

PHONE = "254712000001"
CODES = [
    (product, code)
    for product in ("b2c", "reversal", "transaction_status", "account_balance")
    for code in RESULTS[product]
]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as ready:
        yield ready


@pytest.fixture
def client_of(
    config_of: Callable[..., Snapshot], sandbox: SandboxDriver, settings: Any
) -> Callable[..., DarajaClient]:
    settings.OUTBOUND_ALLOWED_HOSTS = [sandbox.base_url.removeprefix("http://")]

    def make(**changes: Any) -> DarajaClient:
        values = {
            "sandbox_url": sandbox.daraja_url,
            "certificate": sandbox.certificate(),
            "initiator_password": "Safaricom123!!",
            "pull_phone": "0722000000",
            **changes,
        }
        return DarajaClient(config_of(**values))

    return make


@pytest.fixture
def client(client_of: Callable[..., DarajaClient]) -> DarajaClient:
    return client_of()


class Desk:
    """Asks through the client, and reads what arrives."""

    def __init__(self, client: DarajaClient, sandbox: SandboxDriver, receiver: Receiver) -> None:
        self.client, self.sandbox, self.receiver = client, sandbox, receiver
        self.urls = {
            "result_url": f"{receiver.base}/res",
            "timeout_url": f"{receiver.base}/timeout",
        }

    def payout(self, amount: int = 500) -> payloads.Payout:
        return payloads.check_payout(
            self.client.config, phone=PHONE, amount=amount, remarks="Refund INV001"
        )

    def reversal(self, receipt: str) -> payloads.Reversal:
        return payloads.check_reversal(
            self.client.config, receipt=receipt, amount=150, remarks="Wrong order"
        )

    def paid(self) -> str:
        """The receipt of a customer's payment of KES 150."""
        receipt: str = self.sandbox.simulate_c2b()["receipt"]
        self.sandbox.settle()
        return receipt

    def ask(self, product: str) -> Result:
        """One request of the product, and its result."""
        if product == "b2c":
            self.client.b2c(self.payout(), **self.urls)
        elif product == "reversal":
            self.client.reverse(self.reversal(self.paid()), **self.urls)
        elif product == "transaction_status":
            self.client.transaction_status(receipt=self.paid(), **self.urls)
        else:
            self.client.account_balance(**self.urls)
        return self.result()

    def result(self) -> Result:
        self.sandbox.settle()
        return parse_result(self.bodies("res")[-1])

    def bodies(self, name: str) -> list[bytes]:
        return [each.body for each in self.receiver.received if each.path == f"/cb/{name}"]


@pytest.fixture
def desk(client: DarajaClient, sandbox: SandboxDriver, receiver: Receiver) -> Desk:
    return Desk(client, sandbox, receiver)


@pytest.mark.parametrize("version", ["v1", "v3"])
def test_a_payout_is_paid_and_can_be_asked_about_by_its_id(
    client_of: Callable[..., DarajaClient],
    sandbox: SandboxDriver,
    receiver: Receiver,
    version: str,
) -> None:
    desk = Desk(client_of(b2c_version=version), sandbox, receiver)
    asked = desk.payout()
    ack = desk.client.b2c(asked, **desk.urls)
    assert (ack.originator_id == asked.originator_id) is (version == "v3")
    told = desk.result()
    assert (told.originator_id, told.conversation_id) == (ack.originator_id, ack.conversation_id)
    paid = callbacks.payout_result(told)
    assert (paid.explanation.outcome, paid.amount) == (Outcome.SUCCEEDED, Decimal(500))
    assert paid.payee.number == PHONE
    assert paid.at is not None
    desk.client.transaction_status(originator_id=ack.originator_id, **desk.urls)
    state = callbacks.status_result(desk.result())
    assert (state.outcome, state.receipt, state.amount) == (
        Outcome.SUCCEEDED,
        paid.receipt,
        Decimal(500),
    )
    assert state.originator_id == ack.originator_id


def test_the_same_id_is_paid_once_and_the_second_attempt_says_so(
    desk: Desk, sandbox: SandboxDriver
) -> None:
    asked = desk.payout()
    desk.client.b2c(asked, **desk.urls)
    with pytest.raises(OutcomeUnknown) as caught:
        desk.client.b2c(asked, **desk.urls)
    assert caught.value.code == "duplicate_originator"
    assert len(sandbox.book()["payouts"]) == 1


def test_a_customer_s_payment_is_reversed(desk: Desk) -> None:
    receipt = desk.paid()
    ack = desk.client.reverse(desk.reversal(receipt), **desk.urls)
    told = desk.result()
    assert told.originator_id == ack.originator_id
    done = callbacks.reversal_result(told)
    assert (done.explanation.outcome, done.original_receipt) == (Outcome.SUCCEEDED, receipt)
    assert (done.amount, done.payer.number) == (Decimal(150), PHONE)
    assert done.receipt not in ("", receipt)
    desk.client.reverse(desk.reversal(receipt), **desk.urls)
    assert desk.result().code == "R000001"


def test_the_balances_told_are_those_of_the_book(desk: Desk, sandbox: SandboxDriver) -> None:
    read = callbacks.balance_result(desk.ask("account_balance"))
    told = {each.name: each.current for each in read.accounts}
    assert told == sandbox.accounts("600999")
    assert read.at is not None


def test_an_unknown_receipt_is_not_found(desk: Desk) -> None:
    desk.client.transaction_status(receipt="ZZZ9999999", **desk.urls)
    told = desk.result()
    assert told.code in str(desk.client.config.values["not_found_codes"]).split()
    assert callbacks.status_result(told).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_addresses_are_registered_and_a_simulated_payment_arrives_there(
    client_of: Callable[..., DarajaClient],
    sandbox: SandboxDriver,
    receiver: Receiver,
    version: str,
) -> None:
    client = client_of(c2b_version=version)
    ack = client.register_c2b(
        confirmation_url=f"{receiver.base}/conf", validation_url=f"{receiver.base}/val"
    )
    assert ack.originator_id
    client.simulate_c2b(phone=PHONE, amount=150, bill_ref="<b>INV001</b>")
    sandbox.settle()
    (body,) = Desk(client, sandbox, receiver).bodies("conf")
    told = callbacks.parse_c2b(body)
    assert (told.amount, told.bill_ref, told.short_code) == (
        Decimal(150),
        "<b>INV001</b>",
        "600999",
    )
    assert callbacks.msisdn_matches(told.msisdn, PHONE) is True
    assert callbacks.msisdn_matches(told.msisdn, "254712000002") is False


def test_what_happened_is_pulled(desk: Desk) -> None:
    assert desk.client.register_pull(callback_url=f"{desk.receiver.base}/pull")
    assert desk.client.register_pull(callback_url=f"{desk.receiver.base}/pull")  # known already
    receipt = desk.paid()
    now = timezone.now()
    hour = timedelta(hours=1)
    page = desk.client.pull(start=now - hour, end=now + hour)
    assert [(row.receipt, row.amount) for row in page.rows] == [(receipt, Decimal(150))]
    assert (page.has_more, page.wrong) == (False, ())
    assert page.rows[0].at is not None
    assert abs(page.rows[0].at - now) < hour
    assert desk.client.pull(start=now - hour, end=now + hour, offset=1).rows == ()


@pytest.mark.parametrize(("product", "code"), CODES)
def test_every_code_of_every_table_is_reached_and_explained(
    desk: Desk, sandbox: SandboxDriver, product: str, code: str
) -> None:
    sandbox.scenario(code, operation=product)
    told = desk.ask(product)
    assert told.code == code
    assert explain(told.code, product) is RESULTS[product][code]


def test_a_wrong_password_is_an_alarm(
    client_of: Callable[..., DarajaClient], sandbox: SandboxDriver, receiver: Receiver
) -> None:
    desk = Desk(client_of(initiator_password="another"), sandbox, receiver)
    told = callbacks.payout_result(desk.ask("b2c"))
    assert told.explanation.is_credential_fault
    assert told.explanation.code == "2001"


def test_too_many_requests_make_a_payout_unknown_and_a_question_later(
    desk: Desk, sandbox: SandboxDriver
) -> None:
    for product in ("b2c", "account_balance"):
        sandbox.fault("spike_arrest", operation=product, per_second=0, times=None)
    with pytest.raises(OutcomeUnknown):
        desk.client.b2c(desk.payout(), **desk.urls)
    with pytest.raises(ProviderError) as caught:
        desk.client.account_balance(**desk.urls)
    assert not caught.value.permanent
    assert sandbox.book()["payouts"] == []


def test_a_lost_answer_to_a_payout_is_not_followed_by_a_second_one(
    desk: Desk, sandbox: SandboxDriver
) -> None:
    sandbox.fault("lose_answer", operation="b2c")
    asked = desk.payout()
    with pytest.raises(TransportError) as caught:
        desk.client.b2c(asked, **desk.urls)
    assert caught.value.sent
    assert len(sandbox.book()["payouts"]) == 1
    desk.client.transaction_status(originator_id=asked.originator_id, **desk.urls)
    assert callbacks.status_result(desk.result()).outcome is Outcome.SUCCEEDED
