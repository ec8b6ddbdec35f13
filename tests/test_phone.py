"""Phone numbers: every Kenyan spelling in, one form out, nothing guessed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.exceptions import InvalidInput
from integrations.phone import kenyan_msisdn, mask_phone, parse_phone

NATIONAL = st.from_regex(r"[71][0-9]{8}", fullmatch=True)
PREFIX = st.sampled_from(["", "0", "254", "+254"])


@given(PREFIX, NATIONAL, st.data())
def test_every_kenyan_spelling_gives_the_same_number(
    prefix: str, national: str, data: st.DataObject
) -> None:
    spaced = "".join(
        digit + data.draw(st.sampled_from(["", "", "", " ", "-", ".", "\u00a0", ") "]))
        for digit in national
    )
    assert kenyan_msisdn(f" {prefix}{spaced} ") == f"254{national}"
    assert parse_phone(prefix + national) == f"+254{national}"


@pytest.mark.parametrize(
    "value",
    [
        "0712345678",
        "0712 345 678",
        "0712-345-678",
        "(0712) 345 678",
        "712345678",
        712345678,
        254712345678,
        "254712345678",
        "+254712345678",
        "+254 (712) 345-678",
        "+254 (0) 712 345 678",
    ],
)
def test_common_spellings_of_one_number(value: Any) -> None:
    assert kenyan_msisdn(value) == "254712345678"


@pytest.mark.parametrize(
    "national", ["110000000", "115999999", "100000000", "763000000", "744000000", "180000000"]
)
def test_new_and_foreign_ranges_are_not_refused(national: str) -> None:
    assert kenyan_msisdn(f"0{national}") == f"254{national}"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "0",
        "07123456",
        "07123456789",
        "0812345678",
        "0202345678",
        "254202345678",
        "2540712345678",
        "+2547123456789",
        "00254712345678",
        "25471234567",
        "0712345678; DROP TABLE",
        "0712345678x1",
        "07l2345678",
        "\u0660\u0667\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
        "-0712345678",
        -712345678,
        712345678.0,
        True,
        None,
        b"0712345678",
        ["0712345678"],
        "+",
        "+255712345678",
        "+447911123456",
        "0712345678\x00",
        "\ud800712345678",
    ],
)
def test_anything_else_is_no_kenyan_mobile(value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        kenyan_msisdn(value)
    assert caught.value.field == "phone"
    assert caught.value.code == "invalid_phone"


def test_other_countries_are_numbers_in_full_form_only() -> None:
    assert parse_phone("+44 7911 123456") == "+447911123456"
    with pytest.raises(InvalidInput):
        parse_phone("447911123456")


@given(st.one_of(st.text(), st.integers(), st.from_regex(r"\+?[0-9 ()-]{0,16}", fullmatch=True)))
def test_garbage_never_becomes_another_number(value: Any) -> None:
    try:
        number = kenyan_msisdn(value)
    except InvalidInput:
        return
    digits = "".join(sign for sign in str(value) if sign in "0123456789")
    assert digits.endswith(number[3:])
    assert len(digits) <= 13


def test_a_mask_hides_the_middle() -> None:
    assert mask_phone("254712345678") == "2547***678"
    assert mask_phone("12345") == "***"
