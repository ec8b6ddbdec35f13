"""The page about sending webhooks, run as printed: from no endpoint to a verified delivery."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from integrations.models import ApiToken, WebhookEndpoint, WebhookEvent
from tests.api.conftest import user_with
from tests.api.webhook_clients import RIGHTS
from tests.conftest import run_work
from tests.docs.test_recipes import recipe
from tests.outbound.servers import LoopbackServer, Request, answer

PAGE = "how-to/send-webhooks.md"


class Receiver:
    """Keeps what came, and answers as told."""

    status = 204

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.server = LoopbackServer(self.reply)

    def reply(self, handler: BaseHTTPRequestHandler, request: Request) -> None:
        self.requests.append(request)
        answer(self.status, b"")(handler, request)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    made = Receiver()
    settings.OUTBOUND_ALLOWED_HOSTS = [made.server.place]
    yield made
    made.server.stop()


def test_the_page_leads_to_a_verified_delivery(
    receiver: Receiver, public_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    user = user_with(*RIGHTS)
    scopes = ["webhooks:read", "webhooks:write"]
    expires_at = timezone.now() + timedelta(hours=1)
    _, text = ApiToken.issue(user, name="ERP", scopes=scopes, expires_at=expires_at)
    names: dict[str, Any] = {
        "token": text, "base": public_url, "receiver_url": f"http://{receiver.server.place}/hooks",
        "user": user, "since": (timezone.now() - timedelta(hours=1)).isoformat(),
        "order": SimpleNamespace(number="SO-16", ship=lambda: None),
        "keep_for_receiver": kept.append,
    }  # fmt: skip

    exec(recipe(PAGE, "import requests"), names)
    assert names["answer"].status_code == 201
    exec(recipe(PAGE, "from integrations.webhooks.endpoints"), names)
    assert kept.pop().startswith("whsec_")
    WebhookEndpoint.objects.get(name="Warehouse").delete()

    exec(recipe(PAGE, 'address = f"{base}/api/v1/integrations/webhook-endpoints/'), names)
    assert names["tested"]["success"], names["tested"]
    names |= verified(receiver, names["secret"])
    exec(recipe(PAGE, "from standardwebhooks"), names)
    assert names["event"]["type"] == "webhook.test"

    exec(recipe(PAGE, "from django.db import transaction"), names)
    run_work("webhooks")
    assert verified(receiver, names["secret"])["event"]["data"] == {"order": "SO-16", "parcels": 2}

    receiver.status = 503
    exec(recipe(PAGE, "answer = hub.post("), names)
    run_work("webhooks")
    exec(recipe(PAGE, 'address = f"{base}/api/v1/integrations/webhook-events/'), names)
    assert names["delivery"]["status"] == "retrying"
    assert "http_error 503" in capsys.readouterr().out

    receiver.status = 204
    exec(recipe(PAGE, "hub.post("), names)
    run_work("webhooks")
    assert verified(receiver, names["secret"])["event"]["data"] == {"order": "SO-17"}
    event = WebhookEvent.objects.get(pk=names["event_id"])
    assert event.status == "delivered"

    WebhookEvent.objects.update(status="failed", work_state="dead", next_attempt_at=None)
    exec(recipe(PAGE, "replay ="), names)
    assert names["started"]["count"] == names["counted"]["count"] > 0


kept: list[str] = []


def verified(receiver: Receiver, secret: str) -> dict[str, Any]:
    """The last request, if an off-the-shelf library accepts it."""
    request = receiver.requests[-1]
    headers = {name.lower(): value for name, value in request.headers.items()}
    event = Webhook(secret).verify(request.body, headers)
    return {"body": request.body, "headers": headers, "event": event}
