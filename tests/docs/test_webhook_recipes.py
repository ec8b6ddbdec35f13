"""The blocks of "Receive webhooks", run as they are printed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client, RequestFactory

from integrations.callbacks import routes
from integrations.callbacks.routes import CallbackRoute, register_route
from integrations.callbacks.verifiers import token_digest
from integrations.models import InboundCallback, WebhookFormerSecret
from integrations.webhooks import signing
from integrations.webhooks.plan import EndpointPlan
from tests.callbacks.test_verifiers import freshly, github
from tests.conftest import run_work
from tests.docs.test_recipes import DOCS, recipe
from tests.webhooks.endpoints import headers_of, make_endpoint, make_message
from tests.webhooks.vectors import A, B

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "how-to/receive-webhooks.md"
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _own_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_routes", dict(routes._routes))


class Receiver:
    """What the printed code calls: which ids it knows, and what it acts on."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.acted: list[tuple[str, Any]] = []
        self.objects = self

    def is_new(self, webhook_id: str) -> bool:
        return self.get_or_create(webhook_id)[1]

    def get_or_create(self, webhook_id: str) -> tuple[Receiver, bool]:
        is_new = webhook_id not in self.ids
        self.ids.add(webhook_id)
        return self, is_new

    def act_on(self, event_type: str, data: Any) -> None:
        self.acted.append((event_type, data))


@pytest.fixture
def delivery() -> Iterator[SimpleNamespace]:
    """A delivery that is made now."""
    prepared = EndpointPlan.load(make_endpoint()).build(make_message(), at=time.time())
    yield SimpleNamespace(body=prepared.body, headers=headers_of(prepared))


def test_five_lines_verify_a_delivery(delivery: SimpleNamespace) -> None:
    code = recipe(PAGE, "from standardwebhooks import Webhook\n\nwebhook")
    lines = [line for line in code.splitlines() if line]
    assert len(lines) == 5
    receiver = Receiver()
    names = {"secret": A, "is_new": receiver.is_new, "act_on": receiver.act_on}
    for _ in range(2):
        exec(code, {**names, "body": delivery.body, "headers": delivery.headers})
    assert receiver.acted == [("invoice.paid", {"invoice": "INV-1"})]
    with pytest.raises(Exception, match="signature"):
        exec(code, {**names, "body": delivery.body + b" ", "headers": delivery.headers})
    with pytest.raises(Exception, match="signature"):
        exec(code, {**names, "secret": B, "body": delivery.body, "headers": delivery.headers})


def test_the_printed_view_takes_each_delivery_once(delivery: SimpleNamespace) -> None:
    receiver = Receiver()
    names: dict[str, Any] = {"secret": A, "SeenEvent": receiver, "act_on": receiver.act_on}
    exec(recipe(PAGE, "from django.db import transaction"), names)
    factory = RequestFactory()

    def post(body: bytes, headers: dict[str, str]) -> int:
        request = factory.post("/", body, content_type="application/json", headers=headers)
        return int(names["from_the_hub"](request).status_code)

    assert [post(delivery.body, delivery.headers) for _ in range(2)] == [204, 204]
    assert receiver.acted == [("invoice.paid", {"invoice": "INV-1"})]
    assert post(b"\xff", delivery.headers) == 401
    assert post(delivery.body, {}) == 401
    malformed = {**delivery.headers, "webhook-signature": "no comma"}
    assert post(delivery.body, malformed) == 401
    assert names["from_the_hub"](factory.get("/")).status_code == 405
    assert len(receiver.acted) == 1


def test_the_printed_rotation_tells_the_new_secret(capsys: pytest.CaptureFixture[str]) -> None:
    endpoint = make_endpoint(name="Web shop")
    exec(recipe(PAGE, "from integrations.models import WebhookEndpoint"), {})
    told = capsys.readouterr().out.strip()
    endpoint.refresh_from_db()
    assert endpoint.secret.reveal() == told != A
    assert signing.is_standard(told)
    former = WebhookFormerSecret.objects.get()
    assert former.key.reveal() == A


class Orders:
    """A host ERP's manager, which this project does not have."""

    def __init__(self) -> None:
        self.objects = self
        self.paid: list[str] = []

    def filter(self, number: str) -> Orders:
        self._number = number
        return self

    def update(self, is_paid: bool) -> int:
        if self._number != "A-1":
            return 0
        self.paid.append(self._number)
        return 1


def test_the_printed_route_settles_an_order_once(settings: Any) -> None:
    settings.SHOP_TOKEN, settings.SHOP_SECRET = TOKEN, A
    orders = Orders()
    names: dict[str, Any] = {"Order": orders}
    exec(recipe(PAGE, "import json"), names)
    names["connect"]()
    page = (DOCS / PAGE).read_text()
    path = re.search(r"`(/api/v1/integrations/cb/shop/)`", page)
    assert path

    def post(message_id: str, event_type: str, order: str) -> None:
        body = json.dumps({"type": event_type, "data": {"order": order}}).encode()
        answer = Client().post(
            f"{path[1]}{TOKEN}/",
            body,
            content_type="application/json",
            headers=freshly(message_id, body),
        )
        assert answer.status_code == 200
        run_work("callbacks")

    post("evt_1", "order.paid", "A-1")
    post("evt_1", "order.paid", "A-1")
    post("evt_2", "order.seen", "A-1")
    post("evt_3", "order.paid", "A-2")
    assert orders.paid == ["A-1"]
    found = InboundCallback.objects.order_by("pk").values_list("status", "reference", "business")
    assert list(found) == [
        ("processed", "A-1", "branch-7"),
        ("duplicate", "", "branch-7"),
        ("processed", "", "branch-7"),
        ("quarantined", "A-2", "branch-7"),
    ]


def test_the_printed_lookup_tries_every_live_secret() -> None:
    row = SimpleNamespace(secret="old", next_secret="new", business="branch-7")

    class Senders:
        def filter(self, token_digest: str) -> Senders:
            self.asked = token_digest
            return self

        def first(self) -> Any:
            return row if self.asked == token_digest(TOKEN) else None

    names: dict[str, Any] = {"HookSender": SimpleNamespace(objects=Senders())}
    exec(recipe(PAGE, "from integrations.callbacks.verifiers import GitHub"), names)
    register_route(CallbackRoute("hooks", (names["verifier"],), None))
    for token, secret, status in ((TOKEN, "old", 200), (TOKEN, "new", 200), ("x", "old", 401)):
        answer = Client().post(
            f"/api/v1/integrations/cb/hooks/{token}/",
            b"{}",
            content_type="application/json",
            headers=github(b"{}", secret),
        )
        assert answer.status_code == status
