"""Putting dead work back into its queue, from the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from integrations.models import AuditEntry, DomainEvent, InboundCallback
from integrations.work import WorkState

LIST = "/admin/integrations/domainevent/"


@pytest.fixture
def dead(db: None) -> DomainEvent:
    return DomainEvent.objects.create(
        event_type="payment.succeeded", payload={}, work_state=WorkState.DEAD, next_attempt_at=None
    )


def retry(client: Client, row: DomainEvent) -> str:
    chosen = {"action": "retry_dead", "_selected_action": [row.pk]}
    return client.post(LIST, chosen, follow=True).content.decode()


def test_a_superuser_brings_dead_work_back(admin_client: Client, dead: DomainEvent) -> None:
    assert "1 dead rows are tried again." in retry(admin_client, dead)
    dead.refresh_from_db()
    assert (dead.work_state, dead.attempts) == (WorkState.DUE, 0)
    assert dead.next_attempt_at is not None
    assert AuditEntry.objects.get(action="work.retried").actor_name == "admin"


def test_staff_who_may_only_look_can_not(client: Client, dead: DomainEvent) -> None:
    user = User.objects.create_user("reader", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_domainevent"))
    client.force_login(user)
    retry(client, dead)
    dead.refresh_from_db()
    assert dead.work_state == WorkState.DEAD


def test_a_retry_is_told_to_the_businesses_of_its_rows(
    admin_client: Client, dead: DomainEvent
) -> None:
    values = {"event_type": "x", "payload": {}, "next_attempt_at": None}
    theirs = DomainEvent.objects.create(**values, work_state=WorkState.DEAD, business="b1")
    done = DomainEvent.objects.create(**values, work_state=WorkState.DONE, business="b2")
    chosen = [dead.pk, theirs.pk, done.pk]
    admin_client.post(LIST, {"action": "retry_dead", "_selected_action": chosen})
    entries = AuditEntry.objects.filter(action="work.retried").order_by("business")
    assert [(each.business, each.detail) for each in entries] == [
        ("", "1 dead rows of integrations.DomainEvent"),
        ("b1", "1 dead rows of integrations.DomainEvent"),
    ]


def test_a_callback_of_nobody_can_be_tried_again(admin_client: Client, db: None) -> None:
    row = InboundCallback.objects.create(
        route="stk", work_state=WorkState.DEAD, next_attempt_at=None
    )
    chosen = {"action": "retry_dead", "_selected_action": [row.pk]}
    admin_client.post("/admin/integrations/inboundcallback/", chosen)
    row.refresh_from_db()
    assert row.work_state == WorkState.DUE
    assert AuditEntry.objects.get(action="work.retried").business == ""
