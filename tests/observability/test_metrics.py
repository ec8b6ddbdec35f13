"""What a scrape tells, to whom, and that it tells something whatever is away."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from integrations import metrics
from integrations.exposition import exposition
from integrations.models import MpesaSettings, Payment
from integrations.outbound.breaker import Verdict
from integrations.outbound.gate import gate
from integrations.payments.mpesa_payment import MpesaPaymentService
from tests.conftest import PHONE, run_work
from tests.hunt.plants import planted
from tests.payments.letters import paid, post, silent_prompt
from tests.processes import ROOT, child_environment
from tests.sandbox.driver import SandboxDriver
from tests.work.app.models import Errand

TOKEN = planted("access token")
push = MpesaPaymentService.initiate_stk_push
# Every label there is. None tells a business, a person, a credential or an address.
LABELS = {
    "provider", "operation", "outcome", "route", "result", "from_state", "to_state", "queue",
    "tier", "view", "method", "status", "state", "change", "tries", "le",
}  # fmt: skip


class Scrape:
    """The samples of one exposition."""

    def __init__(self, text: str) -> None:
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of the series with these labels."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def scrape() -> Scrape:
    return Scrape(exposition().decode())


# --- who may read ---------------------------------------------------------------------------


def ask(client: Client, **headers: Any) -> int:
    return client.get("/metrics", **headers).status_code


@pytest.mark.django_db(transaction=True)
def test_without_a_token_or_a_network_the_page_does_not_exist(client: Client) -> None:
    assert ask(client) == 404
    assert ask(client, headers={"Authorization": "Bearer "}) == 404


@pytest.mark.django_db(transaction=True)
def test_the_token_opens_it_and_no_other(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    assert ask(client, headers={"Authorization": f"Bearer {TOKEN}"}) == 200
    for wrong in (TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer ä"):
        assert ask(client, headers={"Authorization": wrong}) == 404
    assert client.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 405


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("networks", "address", "forwarded", "status"),
    [
        (["10.1.0.0/16"], "10.1.2.3", None, 200),
        (["10.1.0.0/16"], "10.2.2.3", None, 404),
        (["nonsense", "10.1.2.3"], "10.1.2.3", None, 200),
        (["127.0.0.1"], "", None, 404),
        (["127.0.0.1"], "127.0.0.1", None, 200),
        # A proxy that nobody has named: everybody would be local.
        (["127.0.0.1"], "127.0.0.1", "203.0.113.9", 404),
        (["127.0.0.1"], "127.0.0.1", "127.0.0.1", 404),
        # One that was named tells where the request comes from.
        (["203.0.113.0/24"], "10.9.9.9", "203.0.113.9", 200),
        (["10.9.9.9"], "10.9.9.9", "203.0.113.9", 404),
    ],
)
def test_a_network_opens_it_for_its_own_addresses(
    client: Client, settings: Any, networks: list[str], address: str, forwarded: str | None,
    status: int,
) -> None:  # fmt: skip
    settings.METRICS_ALLOWED_NETWORKS = networks
    settings.TRUSTED_PROXIES = ["10.9.9.9"]
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert ask(client, headers=headers, REMOTE_ADDR=address) == status


# --- what it tells --------------------------------------------------------------------------


def test_a_payment_is_counted_on_its_whole_way(
    mpesa: MpesaSettings, sandbox: SandboxDriver, client: Client, settings: Any
) -> None:
    settings.METRICS_ALLOWED_NETWORKS = ["127.0.0.1"]
    before = scrape()
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt))
    run_work()
    after = Scrape(client.get("/metrics").content.decode())

    def more(name: str, **labels: str) -> float:
        return after(name, **labels) - before(name, **labels)

    called = {"provider": "mpesa", "operation": "stk_push"}
    assert more("integrations_provider_calls_total", **called, outcome="ok") == 1
    assert more("integrations_provider_call_seconds_count", **called) == 1
    assert more("integrations_callbacks_total", route="stk", result="accepted") == 1
    moved = "integrations_payment_transitions_total"
    assert more(moved, provider="mpesa", from_state="", to_state="sending") == 1
    assert more(moved, provider="mpesa", from_state="sending", to_state="pending") == 1
    assert more(moved, provider="mpesa", from_state="pending", to_state="succeeded") == 1
    assert more("integrations_work_handled_total", queue="callbacks", outcome="done") == 1
    assert more("integrations_work_seconds_count", queue="callbacks") == 1
    assert more("integrations_config_reads_total", tier="process", result="hit") > 0
    assert more("integrations_config_reads_total", tier="process", result="miss") > 0
    views = {"view": "v1-integrations:callback", "method": "POST", "status": "200"}
    assert more("integrations_http_requests_total", **views) == 1
    assert after("integrations_database_up") == 1
    assert after("integrations_circuits", provider="mpesa", state="closed") == 1


def test_labels_are_few_and_tell_nothing_personal(
    mpesa: MpesaSettings, sandbox: SandboxDriver
) -> None:
    prompt = silent_prompt(sandbox, push)
    post(prompt, paid(prompt))
    run_work()
    text = exposition().decode()
    payment = Payment.objects.get()
    token = str(prompt["callback_url"]).rstrip("/").rsplit("/", 1)[1]
    for private in (payment.phone, PHONE, str(payment.public_id), token, "174379", "INV001"):
        assert private not in text
    ours = [one for one in Scrape(text).samples if one.name.startswith("integrations_")]
    assert {label for one in ours for label in one.labels} <= LABELS


def test_what_is_refused_is_counted_under_names_of_ours(client: Client, db: None) -> None:
    before = scrape()
    for route in ("stk", "no-such-route"):
        client.post(f"/api/v1/integrations/cb/{route}/{'x' * 20}/", b"{}", "application/json")
    client.get(f"/nowhere-{time.time()}/")
    client.generic("BREW", "/livez")
    after = scrape()
    callbacks = "integrations_callbacks_total"
    assert after(callbacks, route="stk", result="refused") == (
        before(callbacks, route="stk", result="refused") + 1
    )
    assert after(callbacks, route="unknown", result="unknown_route") == (
        before(callbacks, route="unknown", result="unknown_route") + 1
    )
    names = {one.labels["view"] for one in after.samples if "view" in one.labels}
    assert "none" in names and not [name for name in names if "nowhere" in name]
    assert after("integrations_http_requests_total", view="livez", method="other") >= 1


def test_a_metric_has_only_so_many_series() -> None:
    count = metrics.Count("tests_series", "For this test alone.", "name")
    for number in range(metrics.MAX_SERIES + 50):
        count.add(str(number))
    (family,) = count.family.collect()
    names = {sample.labels["name"] for sample in family.samples}
    assert len(names) == metrics.MAX_SERIES + 1
    assert "other" in names


def test_counting_never_raises(caplog: Any) -> None:
    metrics.provider_calls.add("one label too few")
    metrics.provider_call_seconds.note("x", "y", seconds="no number")  # type: ignore[arg-type]
    assert scrape()("integrations_provider_calls_total", provider="one label too few") == 0


def test_reads_from_memory_are_counted_each_once() -> None:
    count = metrics.Count("tests_tally", "For this test alone.", "name")
    tally = metrics.Tally(count, "x")
    expected = 0
    for reads in (0, 3, 0, 5):
        for _ in range(reads):
            tally.add()
        tally.flush()
        expected += reads
        counted = [each for each in count.family.collect()[0].samples if "_total" in each.name]
        assert sum(each.value for each in counted) == expected


@pytest.mark.django_db(transaction=True)
def test_queues_are_counted_as_the_database_has_them(queue_of_errands: str) -> None:
    old = timezone.now() - timedelta(minutes=10)
    Errand.objects.bulk_create([
        Errand(next_attempt_at=old),
        Errand(next_attempt_at=timezone.now() - timedelta(minutes=1)),
        Errand(next_attempt_at=timezone.now() + timedelta(hours=1)),
        # A lease that has ended is due again.
        Errand(work_state="leased", next_attempt_at=timezone.now() - timedelta(seconds=5)),
        Errand(work_state="leased", next_attempt_at=timezone.now() + timedelta(seconds=50)),
        Errand(work_state="done", next_attempt_at=None),
        *[Errand(work_state="dead", next_attempt_at=None) for _ in range(4)],
    ])  # fmt: skip
    found = scrape()
    rows = {
        state: found("integrations_queue_rows", queue=queue_of_errands, state=state)
        for state in ("due", "waiting", "leased", "dead")
    }
    assert rows == {"due": 3, "waiting": 1, "leased": 1, "dead": 4}
    assert 600 <= found("integrations_queue_oldest_due_seconds", queue=queue_of_errands) < 620
    Errand.objects.filter(next_attempt_at__lt=timezone.now()).delete()
    assert scrape()("integrations_queue_oldest_due_seconds", queue=queue_of_errands) == 0


@pytest.fixture
def queue_of_errands() -> Any:
    from integrations import work

    work.register(work.Queue(name="tests.errands", model=Errand, handle=lambda row: None))
    yield "tests.errands"
    work.unregister("tests.errands")


@pytest.mark.django_db(transaction=True)
def test_an_open_circuit_shows() -> None:
    for _ in range(20):
        try:
            gate.report(gate.admit(("mpesa", "metrics"), max_wait=5), Verdict.FAILED)
        except Exception:
            break
    found = scrape()
    assert found("integrations_circuits", provider="mpesa", state="open") == 1
    assert found("integrations_circuits", provider="mpesa", state="closed") == 0


# --- a database that is away ----------------------------------------------------------------

READ = """
import sys, time, django
django.setup()
from django.test import Client
began = time.monotonic()
answer = Client(REMOTE_ADDR="127.0.0.1", headers={"Host": "localhost"}).get("/metrics")
print(answer.status_code, round(time.monotonic() - began, 1))
print(answer.content.decode())
"""


def read_with(database: str) -> tuple[int, float, Scrape]:
    env = child_environment(
        DJANGO_SETTINGS_MODULE="tests.settings", METRICS_ALLOWED_NETWORKS="127.0.0.1"
    ) | {"DATABASE_URL": database, "LEAK_HUNT_SEED": os.environ["LEAK_HUNT_SEED"]}
    done = subprocess.run(
        [sys.executable, "-c", READ], cwd=ROOT, env=env, capture_output=True, text=True,
        timeout=100, check=True,
    )  # fmt: skip
    first, _, text = done.stdout.partition("\n")
    status, seconds = first.split()
    return int(status), float(seconds), Scrape(text)


def test_a_database_that_refuses_is_told_as_down() -> None:
    status, _, found = read_with("postgres://nobody@127.0.0.1:1/nothing")
    assert status == 200
    assert found("integrations_database_up") == 0
    assert "integrations_queue_rows" not in {one.name for one in found.samples}


def test_a_database_that_says_nothing_is_waited_for_no_longer_than_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        status, seconds, found = read_with(f"postgres://nobody@127.0.0.1:{port}/nothing")
    assert status == 200
    assert 2.5 < seconds < 10
    assert found("integrations_database_up") == 0
