"""The queues of webhooks on the page of work queues, and what a retry there does to them."""

from __future__ import annotations

import pytest
from django.test import Client

from integrations.models import AuditEntry, WebhookReplay
from tests.webhooks.deliveries import make_delivery, make_endpoint, state_of

PAGE = "/admin/integrations/workqueue/"

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["webhooks", "webhook-replays"])
def test_both_are_on_the_page(name: str, admin_client: Client) -> None:
    assert f'id="queue-{name}"' in admin_client.get(PAGE).content.decode()


def test_dead_letters_begin_anew_with_the_status_of_a_beginning(admin_client: Client) -> None:
    endpoint = make_endpoint()
    dead = make_delivery(endpoint, "failed", is_manual=True)
    delivered = make_delivery(endpoint, "delivered")
    asked = admin_client.get(f"{PAGE}webhooks/retry/").content.decode()
    assert "1 dead row of the queue webhooks were given up" in asked
    admin_client.post(f"{PAGE}webhooks/retry/", {"confirmed": "yes"})
    assert state_of(dead) == ("pending", "due", False)
    assert dead.attempts == 0
    assert state_of(delivered) == ("delivered", "done", False)
    assert AuditEntry.objects.filter(action="work.retried", detail__endswith="webhooks").exists()


def test_a_dead_replay_goes_on(admin_client: Client) -> None:
    replay = WebhookReplay.objects.create(work_state="dead", next_attempt_at=None, done=7)
    admin_client.post(f"{PAGE}webhook-replays/retry/", {"confirmed": "yes"})
    replay.refresh_from_db()
    assert (replay.work_state, replay.state, replay.done) == ("due", "running", 7)
