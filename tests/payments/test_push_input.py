"""What a caller may ask for: checked before anything is stored or sent."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integrations.crypto import keyring
from integrations.models import Integrations, MpesaSettings, Payment
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE
from tests.sandbox.driver import SandboxDriver

GOOD: dict[str, Any] = {"phone": PHONE, "amount": 1000, "account_reference": "INV001"}
BOTH = [MpesaPaymentService.initiate_stk_push, MpesaPaymentService.enqueue_stk_push]


@pytest.fixture(autouse=True)
def nothing_is_sent(mpesa: MpesaSettings, sandbox: SandboxDriver) -> Iterator[None]:
    yield
    assert Payment.objects.count() == 0
    assert "stk_push" not in sandbox.counters()


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("phone", "0812345678", "invalid_phone"),
        ("phone", "", "invalid_phone"),
        ("phone", None, "invalid_phone"),
        ("phone", "+447911123456", "invalid_phone"),
        ("amount", 0, "invalid_amount"),
        ("amount", -1, "invalid_amount"),
        ("amount", "100.75", "fractional_amount"),
        ("amount", Decimal("100.75"), "fractional_amount"),
        ("amount", Decimal("NaN"), "invalid_amount"),
        ("amount", "NaN", "invalid_amount"),
        ("amount", 250_001, "amount_out_of_range"),
        ("amount", "1,000", "invalid_amount"),
        ("amount", 1000.0, "float_amount"),
        ("amount", True, "invalid_amount"),
        ("amount", 10**30, "invalid_amount"),
        pytest.param("amount", 10**5000, "invalid_amount", id="amount-huge"),
        ("amount", Decimal("1E+999999"), "invalid_amount"),
        ("amount", None, "invalid_amount"),
        ("account_reference", "", "invalid_reference"),
        ("account_reference", None, "invalid_reference"),
        ("account_reference", True, "invalid_reference"),
        ("account_reference", "1234567890123", "reference_too_long"),
        ("account_reference", "INV\n1", "invalid_reference"),
        ("account_reference", "INV\u2013001", "invalid_reference"),
        ("description", "", "invalid_description"),
        ("description", 5, "invalid_description"),
        ("description", "Fourteen signs", "description_too_long"),
        ("description", "a\x00b", "invalid_description"),
        ("description", "\ud800", "invalid_description"),
        ("transaction_type", "CustomerPayToMe", "invalid_input"),
        ("idempotency_key", "", "invalid_input"),
        ("idempotency_key", "x" * 129, "invalid_input"),
        ("idempotency_key", "a\x00", "invalid_input"),
        ("idempotency_key", "\ud800", "invalid_input"),
        ("idempotency_key", 7, "invalid_input"),
        ("business", None, "unknown_business"),
        ("business", 5, "unknown_business"),
        ("business", 0, "unknown_business"),
        ("business", False, "unknown_business"),
        ("business", "a\x00", "unknown_business"),
        ("business", "\ud800", "unknown_business"),
        ("business", "x" * 65, "unknown_business"),
    ],
)
@pytest.mark.parametrize("ask", BOTH)
def test_bad_input_is_refused_by_name(ask: Any, field: str, value: Any, code: str) -> None:
    success, message, data = ask(**{**GOOD, field: value})
    assert success is False
    assert message.startswith(f"{field}: ")
    assert len(message) < 250
    assert data == {
        "payment_id": "",
        "state": "refused",
        "code": code,
        "help": f"docs/reference/troubleshooting.md#{code}",
        "retry_safe": True,
        "field": field,
    }


def test_limits_are_settings(mpesa: MpesaSettings) -> None:
    mpesa.minimum_amount, mpesa.maximum_amount = 10, 500
    mpesa.save()
    for amount in (9, 501):
        _, message, data = BOTH[0](**{**GOOD, "amount": amount})
        assert data["code"] == "amount_out_of_range"
        assert "KES 10 to 500" in message


garbage = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.text(max_size=3),
    st.binary(),
    st.lists(st.integers()),
    st.integers(max_value=0),
)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(phone=garbage, amount=garbage, reference=garbage | st.just("R"), description=garbage)
def test_garbage_is_always_a_refusal_and_never_an_exception(
    mpesa: MpesaSettings, phone: Any, amount: Any, reference: Any, description: Any
) -> None:
    success, message, data = BOTH[0](phone, amount, reference, description)
    assert success is False
    assert message
    assert data["code"]
    assert data["retry_safe"] is True


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"short_code": ""}, "not_configured"),
        ({"passkey": ""}, "not_configured"),
        ({"consumer_key": ""}, "not_configured"),
        ({"transaction_type": "CustomerBuyGoodsOnline"}, "till_incomplete"),
        (
            {"transaction_type": "CustomerBuyGoodsOnline", "till_number": "174379"},
            "till_incomplete",
        ),
        ({"callback_base_url": "https://mpesa.example.ke"}, "callback_url"),
        ({"callback_base_url": "https://erp.example.ke/sql"}, "callback_url"),
        ({"callback_base_url": "erp example"}, "callback_url"),
        ({"environment": "production"}, "callback_url"),
        ({"environment": "production", "callback_base_url": "http://erp.co.ke"}, "callback_url"),
        ({"environment": "production", "callback_base_url": "https://10.1.2.3"}, "callback_url"),
        ({"environment": "production", "callback_base_url": "https://erp"}, "callback_url"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_stored(
    mpesa: MpesaSettings, changes: dict[str, Any], code: str
) -> None:
    for name, value in changes.items():
        setattr(mpesa, name, value)
    mpesa.save()
    success, message, data = BOTH[0](**GOOD)
    assert success is False
    assert data["code"] == code, message
    assert message.endswith(".")


def test_no_public_address_is_a_configuration_error(settings: Any) -> None:
    settings.PUBLIC_BASE_URL = ""
    assert BOTH[0](**GOOD)[2]["code"] == "no_callback_url"


def test_a_till_for_one_call_needs_its_numbers_too() -> None:
    _, _, data = BOTH[0](**GOOD, transaction_type="CustomerBuyGoodsOnline")
    assert data["code"] == "till_incomplete"


def test_without_settings_nothing_is_configured(mpesa: MpesaSettings) -> None:
    mpesa.delete()
    assert BOTH[0](**GOOD)[2]["code"] == "not_configured"


def test_switched_off_means_off(mpesa: MpesaSettings) -> None:
    mpesa.integration = Integrations.objects.create(
        name="MPESA", integration_type="PAYMENT", is_active=False
    )
    mpesa.save()
    _, message, data = BOTH[0](**GOOD)
    assert data["code"] == "inactive"
    assert "switched off" in message


def test_an_unknown_business_does_not_pay_into_the_installation_s_account() -> None:
    _, message, data = BOTH[0](**GOOD, business="branch-9")
    assert data["code"] == "unknown_business"
    assert "branch-9" in message


@pytest.mark.parametrize("ask", BOTH)
@pytest.mark.parametrize("is_missing", [True, False])
def test_without_the_right_key_nothing_is_stored(settings: Any, ask: Any, is_missing: bool) -> None:
    settings.CYPHER_KEY = "" if is_missing else Fernet.generate_key().decode()
    keyring.forget()
    success, message, data = ask(**GOOD)
    assert (success, data["state"], data["payment_id"]) == (False, "refused", "")
    assert data["code"] == ("no_key" if is_missing else "key_mismatch"), message
