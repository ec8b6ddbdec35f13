"""Accounts, certificate and the other controls of money both ways."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.sandbox.server import Sandbox
from tests.sandbox.daraja import Shop
from tests.sandbox.driver import SandboxDriver
from tests.sandbox.office import Office
from tests.sandbox.receiver import Receiver


def test_the_certificate_is_expired_and_its_key_is_the_emulators(sandbox: SandboxDriver) -> None:
    certificate = x509.load_pem_x509_certificate(sandbox.certificate().encode())
    # Section 19 [derived]: so is every public copy.
    assert certificate.not_valid_after_utc < datetime.now(UTC)
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    assert sandbox.certificate() == sandbox.certificate()
    sandbox.reset()
    assert certificate == x509.load_pem_x509_certificate(sandbox.certificate().encode())


def test_the_certificate_is_served_as_a_file(sandbox: SandboxDriver) -> None:
    url = f"{sandbox.base_url}/_control/mpesa-daraja/certificate"
    response = requests.get(url, timeout=10)
    assert response.headers["Content-Type"] == "application/x-pem-file"
    assert response.text.startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE" not in response.text


def test_every_short_code_has_its_accounts(sandbox: SandboxDriver) -> None:
    assert list(sandbox.accounts("600999")) == [
        "Working Account",
        "Utility Account",
        "Charges Paid Account",
    ]
    assert "Merchant Account" in sandbox.accounts("5310080")
    assert sandbox.accounts("600999")["Working Account"] == Decimal("10000000.00")
    assert sandbox.accounts("600984")["Utility Account"] == Decimal("10000000.00")
    assert sandbox.accounts("600984")["Working Account"] == 0


def test_an_account_can_be_filled_and_emptied(sandbox: SandboxDriver) -> None:
    sandbox.shortcode("600111", "x", balances={"Working Account": "12.34"})
    sandbox.fund("600111", "-12.34")
    assert sandbox.accounts("600111")["Working Account"] == 0
    sandbox.fund("600111", 7, account="Utility Account")
    assert sandbox.accounts("600111")["Utility Account"] == 7
    # Registered again, accounts keep what they hold.
    sandbox.shortcode("600111", "x", balances={"Utility Account": "99"})
    assert sandbox.accounts("600111")["Utility Account"] == 7


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("fund", {"shortcode": "999999", "amount": 1}),
        ("fund", {"shortcode": "600999", "amount": 1.5}),
        ("fund", {"shortcode": "600999", "amount": True}),
        ("fund", {"shortcode": "600999", "amount": "1.005"}),
        ("fund", {"shortcode": "600999", "amount": 1, "account": "Petty Cash"}),
        ("pay", {"shortcode": "600999", "phone": "0712000001", "amount": 1}),
        ("pay", {"shortcode": "600999", "phone": "254712000001", "amount": 0}),
        ("pay", {"shortcode": "999999", "phone": "254712000001", "amount": 1}),
        ("c2b", {"shortcode": "999999", "validation": True}),
        ("initiators", {"shortcode": "600999", "roles": ["everything"]}),
        ("initiators", {"shortcode": "600999", "name": ""}),
        ("shortcodes", {"shortcode": "1", "passkey": "x", "balances": {"Working Account": 0.1}}),
        ("scenarios", {"outcome": "1", "operation": "everything"}),
        ("settings", {"payout_minimum": 1.5}),
        ("settings", {"msisdn_form": "secret"}),
        ("settings", {"stk_c2b": None}),
    ],
)
def test_what_can_t_be_done_is_refused(
    sandbox: SandboxDriver, action: str, payload: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError, match="error"):
        sandbox.post(f"mpesa-daraja/{action}", **payload)


def test_a_password_is_never_shown(sandbox: SandboxDriver) -> None:
    answer = sandbox.initiator("600999", password="Secret#99")
    assert "Secret#99" not in str(answer) + str(sandbox.book())


STEPS = st.lists(
    st.tuples(st.sampled_from(["pay", "payout", "back"]), st.integers(10, 3000)), max_size=12
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_accounts_agree_with_their_statement(steps: list[tuple[str, int]]) -> None:
    with Sandbox(speed=0) as server, Receiver() as receiver:
        sandbox = SandboxDriver(server.url)
        shop = Shop(sandbox.daraja_url, receiver.url)
        office = Office(sandbox, shop, receiver, "600111")
        sandbox.shortcode("600111", "x", balances={"Working Account": 5000})
        for kind, amount in steps:
            if kind == "pay":
                sandbox.simulate_c2b(amount, shortcode="600111")
            elif kind == "payout":
                office.b2c(Amount=amount)
            else:
                receipts = [line["receipt"] for line in sandbox.book()["statement"]]
                office.reverse(receipts[amount % len(receipts)] if receipts else "X", Amount=amount)
            sandbox.settle()
        lines = sandbox.book()["statement"]
        moved = sum(Decimal(line["paid_in"]) - Decimal(line["withdrawn"]) for line in lines)
        held = sandbox.accounts("600111")["Working Account"]
        assert held == 5000 + moved >= 0
        balances = [Decimal(line["balance"]) for line in lines]
        assert not balances or balances[-1] == held
        assert len({line["receipt"] for line in lines}) == len(lines)
        shop.session.close()
        sandbox.close()
