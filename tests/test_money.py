"""Money: exact or refused, whatever is typed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integrations.exceptions import InvalidInput
from integrations.money import Money, parse_amount, parse_money


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"),
        ("1000", "1000"),
        (" 1000.50 ", "1000.50"),
        (Decimal("0.01"), "0.01"),
        ("100.00", "100"),
        (Decimal("1E+3"), "1000"),
        (999_999_999_999, "999999999999"),
    ],
)
def test_plain_numbers_are_taken_exactly(value: Any, expected: str) -> None:
    money = parse_money(value)
    assert money == Money(Decimal(expected), "KES")
    assert isinstance(money.amount, Decimal)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0, "invalid_amount"),
        (-1, "invalid_amount"),
        ("-0", "invalid_amount"),
        (True, "invalid_amount"),
        (None, "invalid_amount"),
        (100.0, "float_amount"),
        (float("nan"), "float_amount"),
        ("NaN", "invalid_amount"),
        (Decimal("NaN"), "invalid_amount"),
        (Decimal("sNaN"), "invalid_amount"),
        (Decimal("Infinity"), "invalid_amount"),
        ("1,000", "invalid_amount"),
        ("1_000", "invalid_amount"),
        ("1e3", "invalid_amount"),
        ("KES 100", "invalid_amount"),
        ("\u0661\u0660\u0660", "invalid_amount"),
        ("", "invalid_amount"),
        (".", "invalid_amount"),
        (".-5", "invalid_amount"),
        (b"100", "invalid_amount"),
        ([100], "invalid_amount"),
        ("0.001", "fractional_amount"),
        (10**12, "invalid_amount"),
        pytest.param(10**5000, "invalid_amount", id="huge"),
        ("9" * 40, "invalid_amount"),
        (Decimal("1E+999999"), "invalid_amount"),
        (Decimal("1E+999999999999999"), "invalid_amount"),
        (Decimal("1E-999999999999999"), "fractional_amount"),
        pytest.param("1." + "0" * 60_000, "invalid_amount", id="long"),
    ],
)
def test_what_is_not_a_plain_positive_number_is_refused_by_name(value: Any, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_money(value, field="amount")
    assert (caught.value.field, caught.value.code) == ("amount", code)
    assert len(str(caught.value)) < 200


def test_a_fraction_does_not_become_a_whole_number() -> None:
    with pytest.raises(InvalidInput, match=r"100\.75 has a fraction"):
        parse_money("100.75").whole_units()
    assert parse_money("100.00").whole_units() == 100


def test_currencies_have_their_own_smallest_unit() -> None:
    with pytest.raises(InvalidInput):
        parse_money("10.5", currency="UGX")
    with pytest.raises(InvalidInput, match="currency"):
        parse_money("10", currency="XXX")


@given(
    st.one_of(
        st.text(),
        st.integers(),
        st.floats(),
        st.decimals(),
        st.booleans(),
        st.none(),
        st.binary(),
    )
)
@example("1" * 29)
@example(Decimal("1E+30"))
def test_any_value_is_an_exact_decimal_or_a_clear_refusal(value: Any) -> None:
    try:
        amount = parse_amount(value)
    except InvalidInput as error:
        assert error.field == "amount"
        return
    assert isinstance(amount, Decimal)
    assert amount.is_finite()
    assert not isinstance(value, float | bool)
    assert amount == Decimal(value if not isinstance(value, str) else value.strip())


@given(st.integers(1, 10**11), st.integers(0, 99))
def test_every_amount_of_shillings_and_cents_survives_as_text(shillings: int, cents: int) -> None:
    text = f"{shillings}.{cents:02}"
    assert f"{parse_money(text).amount:.2f}" == text
