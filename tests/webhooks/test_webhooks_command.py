"""`manage.py webhooks`: what an operator types, and what is said."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations.models import WebhookEvent, WebhookReplay
from tests.outbound.servers import LoopbackServer, answer
from tests.webhooks.deliveries import make_delivery, make_endpoint, make_message, state_of

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("webhooks", *arguments, stdout=out, no_color=True)
    return out.getvalue()


def test_status_tells_each_endpoint_why_and_what_to_do() -> None:
    endpoint = make_endpoint(name="Warehouse", business="branch-7", is_paused=True)
    make_delivery(endpoint, "pending")
    make_delivery(endpoint, "failed")
    told = run("status")
    assert "Waiting: 1. Dead letters: 1." in told
    assert f"[{endpoint.pk}] Warehouse (branch-7): 1 waiting, the oldest since" in told
    assert "why:  Paused." in told
    assert "do:   Resume it." in told
    assert "Nothing waits." in run("status", "--business", "another")


def test_status_for_programs() -> None:
    make_delivery(make_endpoint(is_paused=True), "pending")
    told = json.loads(run("status", "--json"))
    assert told["waiting"] == 1
    assert told["stuck"][0]["kind"] == "paused"


def test_a_test_prints_how_it_went(settings: Any) -> None:
    server = LoopbackServer(answer(200))
    settings.OUTBOUND_ALLOWED_HOSTS = [server.place]
    try:
        endpoint = make_endpoint(server.url(), name="Warehouse")
        assert run("test", "Warehouse").startswith("Delivered with status 200")
        server.reply = answer(401)
        with pytest.raises(SystemExit) as ended:
            run("test", str(endpoint.pk))
        assert ended.value.code == 1
    finally:
        server.stop()


def test_a_replay_counts_first_and_starts_by_that_number() -> None:
    endpoint = make_endpoint(name="Warehouse")
    make_delivery(endpoint)
    make_message()
    arguments = ["replay", "--endpoint", "Warehouse", "--missed"]
    told = run(*arguments)
    assert "2 deliveries fit. Nothing was done." in told
    assert not WebhookReplay.objects.exists()
    found = re.search(r"add: (--until \S+ --confirm 2)", told)
    assert found is not None
    make_message()
    assert "2 deliveries, at most 50 per second" in run(*arguments, *found[1].split())
    replay = WebhookReplay.objects.get()
    begun = timezone.localtime(replay.created_at)
    assert f"{replay.public_id}  {begun:%Y-%m-%d %H:%M}  Running" in run("replays")
    assert "0 of 2" in run("cancel", str(replay.public_id))
    for unknown in ("no-id", "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(CommandError, match="no such replay"):
            run("cancel", unknown)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01T08:00"])
def test_a_time_that_is_none_is_named_with_an_example(text: str) -> None:
    with pytest.raises(CommandError, match=f"'{text}' is no time such as 2026-01-31T08:00"):
        run("replay", "--business", "a", "--since", text)


def test_another_number_than_the_count_is_refused() -> None:
    make_delivery(make_endpoint(business="a"))
    with pytest.raises(CommandError, match="There are 1 of them now"):
        run("replay", "--business", "a", "--confirm", "7")


def test_dead_letters_begin_anew() -> None:
    event = make_delivery(make_endpoint(name="Warehouse"))
    make_delivery(make_endpoint())
    assert "1 dead letter can be tried again" in run("retry-dead", "--endpoint", "Warehouse")
    assert state_of(event)[0] == "failed"
    run("retry-dead", "--endpoint", "Warehouse", "--confirm", "1")
    assert state_of(event) == ("pending", "due", False)
    assert WebhookEvent.objects.filter(status="failed").count() == 1
    assert "--confirm" not in run("retry-dead", "--endpoint", "Warehouse")


@pytest.mark.parametrize("name", ["nobody", "999999", "Twice"])
def test_an_endpoint_that_is_none_or_two_is_refused(name: str) -> None:
    make_endpoint(name="Twice")
    make_endpoint(name="Twice")
    with pytest.raises(CommandError, match="this name"):
        run("test", name)


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay",),
        ("replay", "--endpoint", "1", "--business", "a"),
        ("replay", "--business", "a", "--since", "yesterday"),
        ("replay", "--business", "a", "--status", "lost"),
        ("replay", "--business", "a", "--missed"),
    ],
)
def test_nonsense_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
