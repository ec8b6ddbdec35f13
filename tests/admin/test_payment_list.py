"""The ledger's list: its filters, what it counts, and how few queries it takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from integrations.admin import paging
from integrations.models import Payment

LIST = "/admin/integrations/payment/"
NAIROBI = ZoneInfo("Africa/Nairobi")


def make(**values: Any) -> Payment:
    payment = Payment.objects.create(
        **{"provider": "mpesa", "product": "stk_push", "environment": "sandbox", "amount": 10,
           **{name: value for name, value in values.items() if name != "created_at"}}
    )  # fmt: skip
    if "created_at" in values:
        Payment.objects.filter(pk=payment.pk).update(created_at=values["created_at"])
    return payment


def found(client: Client, query: str = "") -> list[str]:
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    return [payment.account_reference for payment in response.context["cl"].result_list]


def test_days_are_whole_and_in_the_installations_time_zone(db: None, admin_client: Client) -> None:
    for name, moment in (
        ("before", datetime(2026, 3, 30, 23, 59, 59, tzinfo=NAIROBI)),
        ("first", datetime(2026, 3, 31, 0, 0, tzinfo=NAIROBI)),
        ("last", datetime(2026, 3, 31, 23, 59, 59, tzinfo=NAIROBI)),
        ("after", datetime(2026, 4, 1, 0, 0, tzinfo=NAIROBI)),
    ):
        make(account_reference=name, created_at=moment)
    day = "created_from=2026-03-31&created_to=2026-03-31"
    assert found(admin_client, day) == ["last", "first"]
    assert found(admin_client, "created_from=2026-04-01") == ["after"]
    assert found(admin_client, "created_to=2026-03-30") == ["before"]


def test_amounts_business_provider_and_product(db: None, admin_client: Client) -> None:
    make(account_reference="a", amount="99.99", business="duka")
    make(account_reference="b", amount="100.00", provider="other", product="card")
    make(account_reference="c", amount="100.01")
    assert found(admin_client, "amount_from=100") == ["c", "b"]
    assert found(admin_client, "amount_from=100&amount_to=100") == ["b"]
    assert found(admin_client, "amount_to=99.99") == ["a"]
    assert found(admin_client, "business=duka") == ["a"]
    assert found(admin_client, "business=-") == ["c", "b"]
    assert found(admin_client, "provider=other") == ["b"]
    assert found(admin_client, "product=stk_push") == ["c", "a"]
    html = admin_client.get(LIST).content.decode()
    assert "?provider=other" in html
    assert "?product__exact=b2c" in html


@pytest.mark.parametrize(
    "query",
    ["created_from=31.3.2026", "created_to=9999-12-31", "amount_from=ten", "amount_to=-1",
     "amount_from=NaN", "amount_to=1e400", f"business={'x' * 65}"],
)  # fmt: skip
def test_what_can_not_be_read_finds_nothing_and_says_so(
    db: None, admin_client: Client, query: str
) -> None:
    make()
    assert found(admin_client, query) == []
    assert "Nothing is shown." in admin_client.get(f"{LIST}?{query}").content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "provider=%00",
        "q=%00",
        "q=%27%22%3C",
        "p=99",
        "p=x",
        "o=1.2.3",
        "business=%00",
        "state__exact=%00",
        "account_reference=a%00",
        "created_from=%00",
    ],
)
def test_odd_queries_break_nothing(db: None, admin_client: Client, query: str) -> None:
    make()
    assert admin_client.get(f"{LIST}?{query}", follow=True).status_code == 200


def test_a_reference_is_found_by_its_beginning_alone(db: None, admin_client: Client) -> None:
    make(account_reference="INV-1")
    make(account_reference="X-INV-1")
    assert found(admin_client, "q=INV") == ["INV-1"]
    assert found(admin_client, "q=inv%25") == []


def test_a_big_list_is_counted_up_to_a_bound(
    db: None, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "WINDOW", 120)
    Payment.objects.bulk_create(
        Payment(provider="mpesa", product="stk_push", environment="sandbox", amount=1,
                account_reference=str(number))
        for number in range(121)
    )  # fmt: skip
    html = admin_client.get(LIST).content.decode()
    assert "more than 120 payments: narrow the list by a filter" in html
    assert found(admin_client, "p=5") == [str(number) for number in range(20, 0, -1)]
    # Beyond the end comes the last page.
    assert found(admin_client, "p=9") == found(admin_client, "p=5")
    Payment.objects.filter(account_reference="0").delete()
    assert "more than" not in admin_client.get(LIST).content.decode()


def test_the_number_of_queries_does_not_grow(db: None, admin_client: Client) -> None:
    make()
    admin_client.get(LIST)
    few, ours = _queries(admin_client)
    for number in range(60):
        make(business=f"b{number}", provider=f"p{number}")
    assert _queries(admin_client) == (few, ours)
    # What the page will follow, what a filter offers, the count, the rows.
    assert ours == 4


def _queries(client: Client) -> tuple[int, int]:
    """All queries of the page, and those of the table of payments."""
    with CaptureQueriesContext(
        connection,
    ) as caught:
        assert client.get(LIST).status_code == 200
    return len(caught), sum("integrations_payment" in query["sql"] for query in caught)


def test_filters_offer_nothing_of_other_businesses(
    db: None, client_of: Callable[..., Client]
) -> None:
    make(business="mine", account_reference="MINE", provider="mpesa")
    make(business="theirs", account_reference="THEIRS", provider="secret-provider")
    client = client_of("view_payment", businesses=("mine",))
    assert found(client) == ["MINE"]
    assert found(client, "business=theirs") == []
    assert found(client, "q=THEIRS") == []
    html = client.get(LIST).content.decode()
    assert "THEIRS" not in html
    assert "secret-provider" not in html
