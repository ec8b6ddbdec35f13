"""Random invoices agree to the cent with a computation in fractions, made for this test alone."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.config import Snapshot, default_config
from integrations.kra.documents import read_invoice
from integrations.kra.documents.catalogue import Sold
from integrations.kra.documents.prepare import work_out
from integrations.kra.documents.rates import FALLBACK
from integrations.providers.kra.payloads.sale import sale_body

PROFILES = ("net_taxable", "spec_inclusive", "all_net")
TRANSPORTS = ("oscu_direct", "oscu_gateway", "vscu")
NAMES = {letter: f"Item {letter}" for letter in "ABCDE"}


def cents(value: Fraction) -> Fraction:
    """Half a cent up, by whole numbers alone."""
    return Fraction((2 * value * 100 + 1) // 2, 100)


def exact(value: object) -> Fraction:
    return Fraction(str(value))


def paid(line: dict[str, Any], rate: Fraction, includes: bool, exchange: Fraction) -> Any:
    """What the buyer pays for a line in KES, and the tax in it."""
    supply = cents(exact(line["quantity"]) * exact(line["unit_price"]))
    off = cents(supply * exact(line.get("discount_rate", 0)) / 100)
    left = supply - off - exact(line.get("discount_amount", 0))
    total = left if includes else left + cents(left * rate / 100)
    tax = cents(total * rate / (100 + rate)) if includes else total - left
    if exchange != 1:
        total = cents(total * exchange)
        tax = cents(total * rate / (100 + rate))
    return total, tax


def numbers(low: str, high: str, places: int) -> st.SearchStrategy[str]:
    return st.decimals(low, high, places=places).map(lambda value: f"{value:f}")


@st.composite
def lines(draw: st.DrawFn) -> dict[str, Any]:
    quantity = draw(
        st.one_of(st.integers(1, 60).map(str), numbers("0.01", "30", 2), numbers("1", "9", 1))
    )
    line = {
        "description": NAMES[draw(st.sampled_from("ABBBCDE"))],
        "quantity": quantity,
        "unit_price": draw(
            st.one_of(numbers("0", "2000", 2), numbers("0", "100", 4), numbers("0", "99999", 0))
        ),
    }
    supply = cents(exact(line["quantity"]) * exact(line["unit_price"]))
    kind = draw(st.sampled_from(["", "", "", "whole", "fine", "amount"]))
    if kind == "whole":
        line["discount_rate"] = draw(st.integers(0, 100))
    elif kind == "fine":
        line["discount_rate"] = draw(numbers("0", "99", 2))
    elif kind == "amount":
        most = int(supply * 100)
        line["discount_amount"] = str(Decimal(draw(st.integers(0, most))) / 100)
    return line


@st.composite
def invoices(draw: st.DrawFn) -> dict[str, Any]:
    foreign = draw(st.sampled_from([{}, {}, {"currency": "USD"}]))
    if foreign:
        foreign = {**foreign, "exchange_rate": draw(numbers("0.05", "160", 4))}
    return {
        "invoice_number": "INV-1",
        "issue_date": "2026-11-23",
        "prices_include_tax": draw(st.booleans()),
        "items": draw(st.lists(lines(), min_size=1, max_size=8)),
        **foreign,
    }


def snapshot(profile: str, transport: str) -> Snapshot:
    """Settings as they come, but for profile and transport; no database."""
    values = default_config("kra") | {"amount_profile": profile, "transport": transport}
    return Snapshot(
        slug="kra", label="KRA", business="", source="row", configured=True, active=True,
        environment="sandbox", hosts=frozenset(), values=values,
    )  # fmt: skip


def sold(data: dict[str, Any]) -> list[Sold]:
    letters = [line["description"][-1] for line in data["items"]]
    return [
        Sold(
            "CODE", "50", NAMES[letter], "", "CT", "NO", letter, FALLBACK[letter], (NAMES[letter],)
        )
        for letter in letters
    ]


def check_line(line: dict[str, Any], profile: str) -> None:
    """The rules of section 7, by what is on the wire alone."""
    rate = Fraction(FALLBACK[line["taxTyCd"]])
    field = {name: exact(line[name]) for name in (
        "qty", "prc", "splyAmt", "dcRt", "dcAmt", "taxblAmt", "taxAmt", "totAmt",
    )}  # fmt: skip
    assert field["splyAmt"] == cents(field["qty"] * field["prc"])
    assert field["dcAmt"] == cents(field["splyAmt"] * field["dcRt"] / 100)
    left = field["splyAmt"] - field["dcAmt"]
    if profile == "all_net":
        assert field["taxblAmt"] == left
        assert field["totAmt"] == left + field["taxAmt"]
        assert abs(field["taxAmt"] - cents(left * rate / 100)) <= Fraction(1, 100)
        return
    assert field["totAmt"] == left
    assert field["taxAmt"] == cents(left * rate / (100 + rate))
    net = left - field["taxAmt"]
    assert field["taxblAmt"] == (net if profile == "net_taxable" else left)


def check_header(body: dict[str, Any]) -> None:
    """The header is the sum of the lines."""
    for letter in "ABCDE":
        own = [line for line in body["itemList"] if line["taxTyCd"] == letter]
        for name in ("taxblAmt", "taxAmt"):
            assert exact(body[name + letter]) == sum(exact(line[name]) for line in own)
        assert exact(body[f"taxRt{letter}"]) == Fraction(FALLBACK[letter])
    for name, of in (("totTaxblAmt", "taxblAmt"), ("totTaxAmt", "taxAmt"), ("totAmt", "totAmt")):
        assert exact(body[name]) == sum(exact(line[of]) for line in body["itemList"])
    assert body["totItemCnt"] == len(body["itemList"])


def check_against_fractions(data: dict[str, Any], profile: str, transport: str) -> None:
    config = snapshot(profile, transport)
    prepared = work_out(read_invoice(data), config, rates=FALLBACK, sold=sold(data))
    body = sale_body(prepared.document, config=config, number=1)
    check_header(body)
    for line in body["itemList"]:
        check_line(line, profile)
        assert transport != "vscu" or exact(line["dcRt"]).denominator == 1
    exchange = exact(data.get("exchange_rate", 1))
    total = tax = Fraction(0)
    for index, line in enumerate(data["items"]):
        rate = Fraction(FALLBACK[line["description"][-1]])
        right, right_tax = paid(line, rate, data["prices_include_tax"], exchange)
        own = [each for each in prepared.document["lines"] if each["source"] == index]
        assert sum(exact(each["total"]) for each in own) == right
        assert sum(exact(each["quantity"]) for each in own) == exact(line["quantity"])
        assert abs(sum(exact(each["tax"]) for each in own) - right_tax) <= Fraction(1, 100)
        if len(own) == 1:
            assert exact(own[0]["tax"]) == right_tax
        total += right
        tax += sum(exact(each["tax"]) for each in own)
    assert exact(body["totAmt"]) == total == exact(prepared.total)
    assert exact(body["totTaxAmt"]) == tax == exact(prepared.tax)


def random_line(dice: random.Random) -> dict[str, Any]:
    quantity = Decimal(dice.choice([dice.randint(1, 60) * 100, dice.randint(1, 3000)])) / 100
    price = Decimal(dice.choice([dice.randint(0, 200_000), dice.randint(0, 9_999) * 100])) / 100
    if dice.random() < 0.1:
        price = Decimal(dice.randint(0, 1_000_000)) / 10_000
    line: dict[str, Any] = {
        "description": NAMES[dice.choice("ABBBCDE")],
        "quantity": str(quantity),
        "unit_price": str(price),
    }
    kind = dice.choice(["", "", "", "whole", "fine", "amount"])
    if kind == "whole":
        line["discount_rate"] = dice.randint(0, 100)
    elif kind == "fine":
        line["discount_rate"] = str(Decimal(dice.randint(0, 9_999)) / 100)
    elif kind == "amount":
        most = int(cents(exact(quantity) * exact(price)) * 100)
        line["discount_amount"] = str(Decimal(dice.randint(0, most)) / 100)
    return line


def random_invoice(dice: random.Random) -> dict[str, Any]:
    foreign: dict[str, Any] = {}
    if dice.random() < 0.3:
        rate = str(Decimal(dice.randint(500, 1_600_000)) / 10_000)
        foreign = {"currency": "USD", "exchange_rate": rate}
    return {
        "invoice_number": "INV-1",
        "issue_date": "2026-11-23",
        "prices_include_tax": dice.random() < 0.5,
        "items": [random_line(dice) for _ in range(dice.randint(1, 8))],
        **foreign,
    }


@pytest.mark.stackless
def test_two_thousand_invoices() -> None:
    for seed in range(2000):
        dice = random.Random(seed)
        data = random_invoice(dice)
        profile, transport = dice.choice(PROFILES), dice.choice(TRANSPORTS)
        try:
            check_against_fractions(data, profile, transport)
        except AssertionError as error:
            error.add_note(f"seed {seed}, {profile}, {transport}: {data}")
            raise


@pytest.mark.stackless
@settings(max_examples=100, deadline=None, database=None)
@given(data=invoices(), profile=st.sampled_from(PROFILES), transport=st.sampled_from(TRANSPORTS))
def test_the_oddest_invoices(data: dict[str, Any], profile: str, transport: str) -> None:
    """The same for what hypothesis thinks of, which makes a failure as small as it can be."""
    check_against_fractions(data, profile, transport)
