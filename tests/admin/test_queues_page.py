"""The page of queues: what it counts, where it leads, and the retry of dead rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import work
from integrations.admin.queues import standing_of
from integrations.models import AuditEntry, DomainEvent, KeyRotation, Payment
from integrations.work import WorkState
from integrations.work.clock import database_now

PAGE = "/admin/integrations/workqueue/"
RETRY = f"{PAGE}events/retry/"
ROTATION = "/admin/integrations/keyrotation/"
EVERYTHING = ("*",)


def event(**values: Any) -> DomainEvent:
    return DomainEvent.objects.create(**{"event_type": "payment.failed", "payload": {}, **values})


@pytest.fixture
def rows(db: None) -> list[DomainEvent]:
    """Two dead, two due (one of them for three hours), one that waits, one in hand, one done."""
    now = timezone.now()
    dead = {"work_state": WorkState.DEAD, "next_attempt_at": None, "attempts": 20}
    later = now + timedelta(hours=1)
    return [
        event(**dead),
        event(**dead),
        event(next_attempt_at=now - timedelta(hours=3, minutes=5)),
        event(next_attempt_at=now - timedelta(minutes=5)),
        event(next_attempt_at=later),
        event(work_state=WorkState.LEASED, next_attempt_at=later),
        event(work_state=WorkState.DONE, next_attempt_at=None),
    ]


def test_every_queue_is_counted(rows: list[DomainEvent], admin_client: Client) -> None:
    found = standing_of(work.get_queue("events"), database_now())
    assert (found.due, found.queued, found.leased, found.dead) == (2, 3, 1, 2)
    assert found.age.replace("\xa0", " ") == "3 hours"
    assert found.url == "/admin/integrations/domainevent/"
    html = admin_client.get(PAGE).content.decode()
    for queue in work.queues():
        assert f'id="queue-{queue.name}"' in html


@pytest.mark.parametrize(("state", "count"), [("due", 3), ("leased", 1), ("dead", 2)])
def test_each_number_leads_to_exactly_its_rows(
    rows: list[DomainEvent], admin_client: Client, state: str, count: int
) -> None:
    url = f"/admin/integrations/domainevent/?work_state__exact={state}"
    assert f'href="{url}">{count}<' in admin_client.get(PAGE).content.decode()
    assert len(admin_client.get(url).context["cl"].result_list) == count


def test_the_number_of_queries_does_not_grow(db: None, admin_client: Client) -> None:
    counts = []
    admin_client.get(PAGE)
    for _ in range(2):
        with CaptureQueriesContext(connection) as caught:
            assert admin_client.get(PAGE).status_code == 200
        counts.append(len(caught))
        for _ in range(30):
            event()
    assert counts[0] == counts[1]


def test_a_retry_asks_first_and_says_how_many(
    rows: list[DomainEvent], admin_client: Client
) -> None:
    html = admin_client.get(RETRY).content.decode()
    assert "2 dead rows of the queue events were given up." in html
    # Without the confirmation, a POST only asks too.
    assert "Try 2 dead rows again" in admin_client.post(RETRY).content.decode()
    assert DomainEvent.objects.filter(work_state=WorkState.DEAD).count() == 2
    told = admin_client.post(RETRY, {"confirmed": "yes"}, follow=True).content.decode()
    assert "2 dead rows of events are tried again." in told
    assert DomainEvent.objects.filter(work_state=WorkState.DUE, attempts=0).count() == 5
    entry = AuditEntry.objects.get(action="work.retried")
    assert (entry.actor_name, entry.detail) == ("admin", "2 dead rows of events")


def test_a_retry_leaves_other_queues_alone(rows: list[DomainEvent], admin_client: Client) -> None:
    payment = Payment.objects.create(
        provider="mpesa", product="stk_push", environment="sandbox", amount=1,
        work_state=WorkState.DEAD, next_attempt_at=None,
    )  # fmt: skip
    admin_client.post(RETRY, {"confirmed": "yes"})
    payment.refresh_from_db()
    assert payment.work_state == WorkState.DEAD


def test_nothing_dead_and_no_such_queue(db: None, admin_client: Client) -> None:
    told = admin_client.get(RETRY, follow=True).content.decode()
    assert "Nothing is dead in the queue events." in told
    assert admin_client.get(f"{PAGE}nonsense/retry/").status_code == 404


def test_seeing_and_retrying_need_their_permissions(
    rows: list[DomainEvent], client_of: Callable[..., Client]
) -> None:
    assert "/login/" in Client().get(PAGE)["Location"]
    assert client_of(businesses=EVERYTHING).get(PAGE).status_code == 403
    viewer = client_of("view_workqueue", businesses=EVERYTHING)
    html = viewer.get(PAGE).content.decode()
    assert "Try dead rows again" not in html
    assert viewer.post(RETRY, {"confirmed": "yes"}).status_code == 403
    assert client_of("retry_work", businesses=EVERYTHING).get(RETRY).status_code == 403
    assert DomainEvent.objects.filter(work_state=WorkState.DEAD).count() == 2
    operator = client_of("view_workqueue", "retry_work", businesses=EVERYTHING)
    assert "Try dead rows again" in operator.get(PAGE).content.decode()
    operator.post(RETRY, {"confirmed": "yes"})
    assert not DomainEvent.objects.filter(work_state=WorkState.DEAD).exists()


def test_people_of_one_business_do_not_see_everybodys_counts(
    rows: list[DomainEvent], client_of: Callable[..., Client]
) -> None:
    for businesses in (("b1",), ()):
        client = client_of("view_workqueue", "retry_work", businesses=businesses)
        assert client.get(PAGE).status_code == 403
        assert client.post(RETRY, {"confirmed": "yes"}).status_code == 403


@pytest.mark.parametrize("kind", ["database", "legacy"])
def test_a_key_rotation_goes_on_from_its_own_page_alone(
    db: None, admin_client: Client, client_of: Callable[..., Client], kind: str
) -> None:
    rotation = KeyRotation.objects.create(
        kind=kind, stage="reencrypting", work_state=WorkState.DEAD, next_attempt_at=None
    )
    url = f"{PAGE}key-rotation/retry/"
    operator = client_of("view_workqueue", "retry_work", businesses=EVERYTHING)
    assert "Try dead rows again" not in operator.get(PAGE).content.decode()
    assert operator.get(url).status_code == 403
    assert operator.post(url, {"confirmed": "yes"}).status_code == 403
    html = admin_client.get(PAGE).content.decode()
    assert "Try dead rows again" in html and url not in html
    page = admin_client.post(url, {"confirmed": "yes"}, follow=True)
    assert page.redirect_chain == [(ROTATION, 302)]
    assert (f'href="{ROTATION}resume/"' in page.content.decode()) is (kind == "database")
    rotation.refresh_from_db()
    assert rotation.work_state == WorkState.DEAD
    admin_client.post(f"{ROTATION}resume/", {"confirmed": "yes"})
    rotation.refresh_from_db()
    assert rotation.work_state == (WorkState.DUE if kind == "database" else WorkState.DEAD)


def test_the_retry_needs_a_csrf_token(rows: list[DomainEvent], admin_user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(RETRY, {"confirmed": "yes"}).status_code == 403
    assert DomainEvent.objects.filter(work_state=WorkState.DEAD).count() == 2


def test_the_action_of_a_list_retries_rows_of_ones_own_businesses_alone(
    db: None, client_of: Callable[..., Client]
) -> None:
    dead = {"work_state": WorkState.DEAD, "next_attempt_at": None}
    mine, theirs = event(business="mine", **dead), event(business="theirs", **dead)
    client = client_of("view_domainevent", "retry_work", businesses=("mine",))
    chosen = {"action": "retry_dead", "_selected_action": [mine.pk, theirs.pk]}
    client.post("/admin/integrations/domainevent/", chosen)
    states = dict(DomainEvent.objects.values_list("business", "work_state"))
    assert states == {"mine": WorkState.DUE, "theirs": WorkState.DEAD}


def test_operators_find_the_page_in_the_sidebar(db: None, client_of: Callable[..., Client]) -> None:
    operator = client_of("view_workqueue", businesses=EVERYTHING)
    assert f'href="{PAGE}"' in operator.get("/admin/").content.decode()
    other = client_of("view_workqueue", businesses=("b1",))
    assert f'href="{PAGE}"' not in other.get("/admin/").content.decode()
