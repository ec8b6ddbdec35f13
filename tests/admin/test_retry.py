"""Putting dead work back into its queue, from the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from integrations.models import AuditEntry, DomainEvent
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
