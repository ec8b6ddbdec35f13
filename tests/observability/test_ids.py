"""One id from the request to the worker, the provider and every line on the way."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from celery.signals import before_task_publish
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import include, path

from integrations import tasks, work
from integrations.correlation import correlated, current_id, well_formed
from integrations.models import DomainEvent, InboundCallback, MpesaSettings, Payment, ProviderCall
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, run_work
from tests.observability.conftest import Lines
from tests.sandbox.driver import SandboxDriver
from tests.work.app.models import Job

logger = logging.getLogger("tests.shop")


def shop(request: HttpRequest) -> HttpResponse:
    """A host's view that sells something."""
    logger.info("selling")
    told = MpesaPaymentService.enqueue_stk_push(
        phone=PHONE, amount=1000, account_reference="INV001"
    )
    return JsonResponse({"told": str(told[1])})


def who(request: HttpRequest) -> HttpResponse:
    assert request.user.pk
    logger.info("asked")
    return HttpResponse("x")


urlpatterns = [
    path("shop/", shop, name="shop"),
    path("who/", who, name="who"),
    path("", include("bengoerp.urls")),
]


@pytest.mark.parametrize("sent", ["a", "4bf92f35-77b3/x.y", "x" * 64])
def test_a_well_formed_id_is_taken_and_returned(client: Client, sent: str) -> None:
    answer = client.get(
        "/livez", headers={"X-Request-ID": sent, "X-Correlation-ID": f"c{sent}"[:64]}
    )
    assert answer.headers["X-Request-ID"] == sent
    assert answer.headers["X-Correlation-ID"] == f"c{sent}"[:64]


@pytest.mark.parametrize("sent", ["", " ", "x" * 65, "a b", "a\tb", "ä", '"', "<b>", "-rf", "a;b"])
def test_any_other_is_replaced_by_one_of_ours(client: Client, sent: str) -> None:
    answer = client.get("/livez", headers={"X-Request-ID": sent, "X-Correlation-ID": sent})
    made = answer.headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert answer.headers["X-Correlation-ID"] == made
    assert well_formed(sent) == ""


def test_nothing_stays_bound_after_the_request(client: Client) -> None:
    client.get("/livez", headers={"X-Request-ID": "abc"})
    assert current_id() == ""


def test_a_line_tells_the_route_and_never_the_address(
    client: Client, lines: Lines, db: None
) -> None:
    secret = "0123456789abcdef" * 2
    client.post(f"/api/v1/integrations/cb/stk/{secret}/", b"{}", content_type="application/json")
    client.get(f"/nowhere/{secret}/")
    first, second = lines("request_finished")
    assert first["request"] == "POST /api/v1/integrations/cb/<slug:route>/<str:token>/"
    assert (first["code"], first["level"]) == (401, "warning")
    assert (second["request"], second["code"]) == ("GET (no route)", 404)
    assert secret not in str(lines())


def test_a_user_stands_in_the_lines_as_a_number(
    client: Client, lines: Lines, settings: Any, db: None
) -> None:
    settings.ROOT_URLCONF = __name__
    user = User.objects.create_user("wanjiku", "wanjiku@example.ke")
    client.force_login(user)
    client.get("/who/")
    assert lines("asked")[0]["user_id"] == lines("request_finished")[0]["user_id"] == user.pk
    assert "wanjiku" not in str(lines())
    client.logout()
    client.get("/livez")
    assert "user_id" not in lines("request_finished")[-1]


def test_an_id_travels_from_the_request_to_worker_and_provider(
    mpesa: MpesaSettings, sandbox: SandboxDriver, public_url: str, settings: Any, lines: Lines
) -> None:
    settings.ROOT_URLCONF = __name__
    answer = requests.get(
        f"{public_url}/shop/", headers={"X-Correlation-ID": "order-77"}, timeout=10
    )
    assert answer.headers["X-Correlation-ID"] == "order-77"
    payment = Payment.objects.get()
    assert (payment.state, payment.correlation_id) == ("created", "order-77")
    # Later, in another thread, with nothing of the request around.
    run_work("payments")
    assert set(ProviderCall.objects.values_list("correlation_id", flat=True)) == {"order-77"}
    (call,) = [line for line in lines("provider_call") if line["operation"] == "stk_push"]
    assert (call["correlation_id"], call["queue"], call["row"]) == (
        "order-77", "payments", payment.pk,
    )  # fmt: skip
    assert (call["outcome"], call["status"], call["logger"]) == ("ok", 200, "integrations.outbound")
    assert isinstance(call["latency_ms"], int)
    # What the work publishes goes on carrying it; a callback is a request of its own.
    assert DomainEvent.objects.filter(correlation_id="order-77").exists()
    sandbox.settle()
    callback = InboundCallback.objects.get()
    assert callback.correlation_id not in ("", "order-77")


@pytest.mark.django_db(transaction=True)
def test_a_row_without_an_id_is_handled_under_a_new_one(job_queue: list[str]) -> None:
    Job.objects.create()
    run_work("tests.ids")
    (used,) = job_queue
    assert re.fullmatch("[0-9a-f]{32}", used)


@pytest.fixture
def job_queue() -> Iterator[list[str]]:
    """A queue of jobs whose handler tells the id that it works under."""
    seen: list[str] = []
    work.register(
        work.Queue(name="tests.ids", model=Job, handle=lambda job: seen.append(current_id()))
    )
    yield seen
    work.unregister("tests.ids")


@pytest.fixture
def published() -> Iterator[list[dict[str, Any]]]:
    """The headers of what goes to the broker."""
    headers_seen: list[dict[str, Any]] = []

    def note(headers: Any = None, **_: Any) -> None:
        headers_seen.append(dict(headers))

    before_task_publish.connect(note)
    yield headers_seen
    before_task_publish.disconnect(note)


def test_a_ring_takes_the_id_to_celery(published: list[dict[str, Any]]) -> None:
    from kombu import Connection

    bell = tasks.CeleryBell()
    bell._connection = Connection("memory://")
    with correlated("order-77"):
        bell.ring("payments")
    assert bell.flush(seconds=10)
    (headers,) = published
    assert headers[tasks.CORRELATION_HEADER] == "order-77"


@pytest.mark.django_db(transaction=True)
def test_a_celery_task_works_under_the_rows_id_and_tells_its_own(
    job_queue: list[str], lines: Lines
) -> None:
    with correlated("order-78"):
        Job.objects.create()
    tasks.run_queue.apply(("tests.ids",), headers={tasks.CORRELATION_HEADER: "ring-1"}, throw=True)
    assert job_queue == ["order-78"]
    Job.objects.create()
    work.unregister("tests.ids")
    work.register(work.Queue(name="tests.ids", model=Job, handle=fail))
    tasks.run_queue.apply(
        ("tests.ids",), headers={tasks.CORRELATION_HEADER: "ring-2"}, task_id="task-2", throw=True
    )
    (line,) = [line for line in lines() if "no change left" in line["event"]]
    assert (line["task"], line["queue"]) == ("task-2", "tests.ids")


def fail(job: Job) -> None:
    raise RuntimeError("no change left")


@pytest.mark.parametrize(("is_on", "sent"), [(True, "order-79"), (False, None)])
def test_a_provider_is_told_the_id_unless_that_is_switched_off(
    db: None, settings: Any, is_on: bool, sent: str | None, call_server: Callable[[], Any]
) -> None:
    settings.INTEGRATIONS_OUTBOUND_CORRELATION = is_on
    with correlated("order-79"):
        headers = call_server()
    assert headers.get("X-Correlation-ID") == sent
    assert "X-Correlation-ID" not in call_server()


@pytest.fixture
def call_server(settings: Any) -> Iterator[Callable[[], Any]]:
    """Calls a server through the one door; returns the headers that arrived."""
    from integrations.outbound import Client as Outbound
    from tests.outbound.conftest import get
    from tests.outbound.servers import LoopbackServer, answer

    server = LoopbackServer(answer())
    settings.OUTBOUND_ALLOWED_HOSTS = [server.place]

    def call() -> Any:
        Outbound("mpesa", credential="ids", hosts=frozenset({server.place})).send(get(server))
        return server.requests[-1].headers

    yield call
    server.stop()
