"""The start page: true figures, each narrowed to its reader and leading to exactly its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations.admin.figures import NAIROBI
from integrations.models import (
    AccountBalance,
    CallbackStatus,
    DomainEvent,
    InboundCallback,
    InitiatorAlarm,
    MpesaSettings,
    Payment,
    PaymentState,
    ProviderCall,
)
from integrations.work import WorkState

S = PaymentState
VIEWS = ("view_payment", "view_inboundcallback", "view_providercall", "view_domainevent",
         "view_mpesasettings", "view_accountbalance", "view_initiatoralarm",
         "view_mpesaquery")  # fmt: skip


def pay(state: str, *, business: str = "", hours: float = 0, **changes: Any) -> Payment:
    """A finished piece of work, made so many hours ago."""
    values = {
        "provider": "mpesa", "product": "stk_push", "environment": "production",
        "amount": Decimal("100.50"), "work_state": WorkState.DONE, "next_attempt_at": None,
    }  # fmt: skip
    payment = Payment.objects.create(state=state, business=business, **{**values, **changes})
    Payment.objects.filter(pk=payment.pk).update(created_at=timezone.now() - timedelta(hours=hours))
    return payment


@pytest.fixture
def rows(db: None) -> None:
    """Something of every kind for the installation and for the business b1."""
    for business in ("", "b1"):
        pay(S.SUCCEEDED, business=business)
        pay(S.SUCCEEDED, business=business, environment="sandbox", amount=7)
        pay(S.SUCCEEDED, business=business, hours=30)
        pay(S.FAILED, business=business)
        pay(S.UNKNOWN, business=business, attention="Ask the payer.")
        pay(S.PENDING, business=business, work_state=WorkState.DUE,
            next_attempt_at=timezone.now() - timedelta(minutes=5))  # fmt: skip
        pay(S.CREATED, business=business, work_state=WorkState.DEAD)
        for outcome in ("ok", "failed", "refused", "unknown", "blocked"):
            ProviderCall.objects.create(
                provider="mpesa", operation="stk_push", outcome=outcome, latency_ms=1,
                business=business, created_at=timezone.now() - timedelta(hours=1),
            )  # fmt: skip
        ProviderCall.objects.create(
            provider="mpesa", operation="stk_push", outcome="failed", latency_ms=1,
            business=business, created_at=timezone.now() - timedelta(hours=25),
        )  # fmt: skip
        DomainEvent.objects.create(event_type="payment.succeeded", payload={}, business=business,
                                   work_state=WorkState.DEAD, next_attempt_at=None)  # fmt: skip
        AccountBalance.objects.create(
            business=business,
            environment="sandbox",
            short_code="600999",
            account="Float",
            currency="KES",
            current=1,
            as_of=timezone.now(),
            low_since=timezone.now(),
        )
        InitiatorAlarm.objects.create(
            business=business,
            environment="sandbox",
            short_code="600999",
            failures=2,
            raised_at=timezone.now(),
        )
    InboundCallback.objects.create(route="stk", body="x", status=CallbackStatus.QUARANTINED,
                                   work_state=WorkState.DONE, next_attempt_at=None)  # fmt: skip


def test_money_in_and_money_out_are_never_one_sum(admin_client: Client) -> None:
    pay(S.SUCCEEDED, amount=100)
    pay(S.FAILED)
    pay(S.SUCCEEDED, amount=30, direction="out", product="b2c")
    pay(S.SUCCEEDED, amount=5, direction="out", product="reversal")
    found = cards(admin_client)
    assert texts(found["Payments today"]) == [
        "4 started", "KES 100.00 received in 1", "KES 35.00 paid out in 2",
    ]  # fmt: skip
    assert texts(found["Success, last 24 hours"]) == [
        "50 % 1 succeeded", "2 ended", "100 % 2 went out", "2 ended",
    ]  # fmt: skip


def start(client: Client) -> Any:
    response = client.get("/admin/")
    assert response.status_code == 200
    return response


def cards(client: Client) -> dict[str, Any]:
    return {card.title: card for card in start(client).context["cards"]}


def texts(card: Any) -> list[str]:
    """Every number of a card with what it counts."""
    figures = [*([card.figure] if card.figure else []), *card.lines]
    return [f"{figure.text} {figure.label}" for figure in figures]


def test_the_figures_are_true(rows: None, admin_client: Client) -> None:
    shown = {title: texts(card) for title, card in cards(admin_client).items()}
    today = sum(
        payment.created_at.astimezone(NAIROBI).date() == timezone.now().astimezone(NAIROBI).date()
        for payment in Payment.objects.all()
    )
    assert shown == {
        "Payments today": [
            f"{today} started", "KES 201.00 received in 2", "KES 14.00 received in 2",
        ],
        "Success, last 24 hours": ["50 % 2 succeeded", "4 ended", "100 % 2 succeeded", "2 ended"],
        "Outcome unknown": ["2 payments"],
        "Needs a person": ["2 payments"],
        "Quarantined callbacks": ["1 callbacks"],
        "Low balances": ["2 accounts"],
        "Initiators refused": ["2 initiators"],
        "Provider calls, last 24 hours": [
            "10 calls", "6 failures", "2 stopped here, not sent",
        ],
        "Waiting for your approval": ["0 requests"],
        "Tax (KRA)": [
            "0 invoices waiting", "0 branches held", "0 in doubt", "0 rejected", "0 need a person",
        ],
        "Webhooks": ["0 waiting", "0 endpoints failing", "0 dead letters"],
        "Dead letters": ["2 Events", "2 Payments"],
    }  # fmt: skip
    queues = {
        q.name: (q.due.text, q.age, q.dead.text) for q in start(admin_client).context["queues"]
    }
    assert queues == {
        "Callbacks": ("0", "", "0"), "Events": ("0", "", "2"),
        "Payments": ("2", "5\xa0minutes", "2"), "Queries": ("0", "", "0"),
        "Pulls": ("0", "", "0"), "Statements": ("0", "", "0"),
        "Payout batches": ("0", "", "0"), "Webhooks": ("0", "", "0"),
        "KRA invoices": ("0", "", "0"),
    }  # fmt: skip


def test_the_day_begins_at_midnight_in_nairobi(db: None, admin_client: Client) -> None:
    midnight = timezone.now().astimezone(NAIROBI).replace(hour=0, minute=0, second=0, microsecond=0)
    for moment in (midnight, midnight - timedelta(seconds=1)):
        payment = pay(S.SUCCEEDED)
        Payment.objects.filter(pk=payment.pk).update(created_at=moment)
    assert texts(cards(admin_client)["Payments today"]) == [
        "1 started", "KES 100.50 received in 1",
    ]  # fmt: skip


def links(response: Any) -> Iterator[tuple[str, str]]:
    """Every counted number of the page with its address."""
    for card in response.context["cards"]:
        for figure in [*([card.figure] if card.figure else []), *card.lines]:
            # An amount and a rate are told by the number of their rows.
            count = figure.text if figure.text.isdigit() else figure.label
            yield "".join(filter(str.isdigit, count)), figure.url
    for queue in response.context["queues"]:
        yield queue.due.text, queue.due.url
        yield queue.dead.text, queue.dead.url
    for health in response.context["health"]:
        yield health.every.text, health.every.url


@pytest.mark.parametrize("business", [None, "b1"])
def test_every_number_leads_to_exactly_its_rows(
    rows: None, client_of: Callable[..., Client], admin_client: Client, business: str | None
) -> None:
    MpesaSettings.objects.create(business="b1")
    MpesaSettings.objects.create()
    client = admin_client
    if business is not None:
        client = client_of(*VIEWS, businesses=(business,))
    followed = list(links(start(client)))
    assert len(followed) > 15
    html = start(client).content.decode().replace("&amp;", "&")
    for count, url in followed:
        found = client.get(url)
        assert found.status_code == 200, url
        assert len(found.context["cl"].result_list) == int(count), url
        assert url.partition("?")[0] in html


def test_figures_are_of_the_own_businesses(
    rows: None, client_of: Callable[..., Client], admin_client: Client
) -> None:
    MpesaSettings.objects.create(business="b2", environment="production")
    client = client_of(*VIEWS, businesses=("b1",))
    shown = {title: texts(card) for title, card in cards(client).items()}
    assert shown["Success, last 24 hours"][:2] == ["50 % 1 succeeded", "2 ended"]
    assert shown["Outcome unknown"] == ["1 payments"]
    assert shown["Quarantined callbacks"] == ["0 callbacks"]
    assert shown["Provider calls, last 24 hours"][0] == "5 calls"
    assert shown["Dead letters"] == ["1 Events", "1 Payments"]
    page = start(client)
    assert page.context["health"][0].lines == []
    assert "PRODUCTION</span>" not in page.content.decode().partition("start-cards")[0]


def test_a_reader_sees_only_what_the_permissions_open(
    rows: None, client_of: Callable[..., Client]
) -> None:
    page = start(client_of("view_providercall"))
    assert [card.title for card in page.context["cards"]] == ["Provider calls, last 24 hours"]
    assert (page.context["queues"], page.context["health"]) == ([], [])
    html = page.content.decode()
    assert "/admin/integrations/providercall/" in html
    for other in ("payment", "mpesasettings", "auditentry", "appsettings", "keyrotation"):
        assert f"/admin/integrations/{other}/" not in html
    assert "/admin/auth/" not in html


def test_an_account_without_permissions_is_told(client_of: Callable[..., Client]) -> None:
    html = start(client_of()).content.decode()
    assert "Ask a super admin for permissions" in html


def test_health_tells_the_last_test_the_worst_first_and_asks_nobody(
    db: None, admin_client: Client
) -> None:
    good = MpesaSettings.objects.create(
        short_code="600000", consumer_key="k", consumer_secret="s", passkey="p"
    )
    good.note_test(ok=True, message="Connected.", milliseconds=5)
    bad = MpesaSettings.objects.create(
        business="b1", short_code="600000", consumer_key="k", consumer_secret="s", passkey="p",
        environment="production",
    )  # fmt: skip
    bad.note_test(ok=False, message="M-Pesa refused <the> key.", milliseconds=5)
    page = start(admin_client)
    health, _tax = page.context["health"]
    assert [(line.owner, line.status.word) for line in health.lines] == [
        ("b1", "Failing"), ("Installation", "Connected"),
    ]  # fmt: skip
    html = page.content.decode()
    assert "Just now: M-Pesa refused &lt;the&gt; key." in html
    assert f"/admin/integrations/mpesasettings/{bad.pk}/change/" in html
    assert not ProviderCall.objects.exists()


def test_without_settings_the_page_leads_to_the_form(db: None, admin_client: Client) -> None:
    assert "/admin/integrations/mpesasettings/add/" in start(admin_client).content.decode()


def test_many_rows_cost_no_more_queries(
    rows: None,
    quiet_templates: None,
    admin_client: Client,
    django_assert_num_queries: Any,
    django_assert_max_num_queries: Any,
) -> None:
    MpesaSettings.objects.create(business="s")
    with django_assert_num_queries(46) as few:
        start(admin_client)
    for number in range(60):
        pay(S.UNKNOWN, business=f"b{number}", attention="Look.", work_state=WorkState.DEAD)
        MpesaSettings.objects.create(business=f"s{number}")
    with django_assert_max_num_queries(len(few)):
        page = start(admin_client)
    health, _tax = page.context["health"]
    assert (health.every.text, len(health.lines)) == ("50+", 5)


def test_counting_stops_at_a_bound(db: None, admin_client: Client) -> None:
    made = [
        Payment(provider="mpesa", product="stk_push", environment="sandbox", amount=1,
                state=S.UNKNOWN, work_state=WorkState.DONE)
        for _ in range(1002)
    ]  # fmt: skip
    Payment.objects.bulk_create(made)
    assert texts(cards(admin_client)["Outcome unknown"]) == ["1,000+ payments"]


@pytest.mark.parametrize(
    ("change", "word"),
    [({}, "Sandbox"), ({"environment": "production"}, "PRODUCTION")],
)
def test_every_page_says_where_the_money_is(
    db: None, admin_client: Client, change: dict[str, str], word: str
) -> None:
    MpesaSettings.objects.create(**change)
    for url in ("/admin/", "/admin/integrations/payment/", "/admin/auth/user/"):
        html = admin_client.get(url).content.decode()
        header = html[html.index('id="header-inner"') : html.index('id="content"')]
        assert word in header
        assert ("[PRODUCTION]" in html.partition("</title>")[0]) is (word == "PRODUCTION")


def test_a_switched_off_production_row_is_not_loud(db: None, admin_client: Client) -> None:
    row = MpesaSettings.objects.create(environment="production")
    row.integration.is_active = False
    row.integration.save()
    html = admin_client.get("/admin/").content.decode()
    assert "[PRODUCTION]" not in html
