"""Webhook endpoints over HTTP: shapes, secrets shown once, own businesses, idempotency."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from integrations.api.webhook_base import WebhookView
from integrations.models import (
    ApiAnswer,
    AuditEntry,
    WebhookEndpoint,
    WebhookFormerSecret,
)
from integrations.outbound.resolver import system_lookup, use_resolver
from tests.api.conftest import logged_in, user_with, with_token
from tests.api.webhook_clients import API, RIGHTS, URL, delivery, endpoint, program
from tests.hunt.plants import planted

pytestmark = pytest.mark.django_db(transaction=True)
WISH = {"name": "Accounting", "url": URL, "event_types": ["payment.*"]}
SECRET = "whsec_" + base64.b64encode(planted("posted secret").encode()).decode()
LIST = f"{API}/webhook-endpoints/"


def address(row: WebhookEndpoint, word: str = "") -> str:
    return f"{LIST}{row.pk}/{word}/" if word else f"{LIST}{row.pk}/"


def test_the_secret_is_shown_once_and_nowhere_else() -> None:
    hub = program()
    answer = hub.post(LIST, WISH)
    assert answer.status_code == 201, answer.data
    secret = answer.data["secret"]
    assert secret.startswith("whsec_")
    row = WebhookEndpoint.objects.get()
    assert row.secret.reveal() == secret
    for path in (LIST, address(row)):
        shown = hub.get(path)
        assert secret not in shown.content.decode()
        assert "gAAAA" not in shown.content.decode()
    assert hub.get(address(row)).data["secret_preview"].startswith("set, fingerprint")
    changed = hub.patch(address(row), {"name": "New"})
    assert "secret" not in changed.data


def test_the_documented_keys_are_there() -> None:
    row = endpoint()
    found = program().get(LIST)
    assert found.status_code == 200
    [shown] = found.data["results"]
    assert {"id", "name", "url", "is_active", "created_at", "updated_at"} <= set(shown)
    assert shown["id"] == row.pk
    assert shown["standing"]["consecutive_failures"] == 0


def test_a_key_that_is_used_again_makes_no_second_endpoint_and_shows_no_secret() -> None:
    hub = program()
    first = hub.post(LIST, WISH, headers={"Idempotency-Key": "a"})
    again = hub.post(LIST, WISH, headers={"Idempotency-Key": "a"})
    assert (again.status_code, again.data["id"]) == (201, first.data["id"])
    assert again.data["secret"] is None
    assert first.data["secret"] not in json.dumps(ApiAnswer.objects.get().body)
    assert WebhookEndpoint.objects.count() == 1
    other = hub.post(LIST, {**WISH, "name": "B"}, headers={"Idempotency-Key": "a"})
    assert (other.status_code, other.data["error"]["code"]) == (409, "idempotency_mismatch")


def test_secrets_go_in_and_never_come_out() -> None:
    hub = program()
    given = {
        **WISH, "secret": SECRET, "auth": "basic", "username": "hub",
        "password": planted("access token"),
        "static_headers": {"X-Api-Key": planted("header secret")},
    }  # fmt: skip
    answer = hub.post(LIST, given)
    assert (answer.status_code, answer.data["secret"]) == (201, None)
    row = WebhookEndpoint.objects.get()
    assert row.secret.reveal() == SECRET
    answers = [
        hub.get(LIST), hub.get(address(row)), hub.patch(address(row), {"name": "B"}),
        hub.post(address(row, "pause")), hub.put(address(row), WISH),
        hub.patch(address(row), {"url": "https://93.184.215.15/"}),
    ]  # fmt: skip
    for each in answers:
        text = each.content.decode()
        for secret in (SECRET, planted("access token"), planted("header secret")):
            assert secret not in text
    assert answers[1].data["static_header_names"] == ["X-Api-Key"]
    assert answers[-1].data["error"]["code"] == "host_not_confirmed"


def test_what_was_read_may_be_sent_back() -> None:
    row = endpoint(auth="basic", username="hub", password=planted("access token"))
    hub = program()
    read = hub.get(address(row)).json()
    answer = hub.put(address(row), {**read, "name": "New"})
    assert answer.status_code == 200, answer.data
    row.refresh_from_db()
    assert (row.name, row.password.reveal()) == ("New", planted("access token"))
    assert AuditEntry.objects.order_by("-id")[0].fields == ["name"]


def test_a_refusal_names_its_field_in_the_documented_envelope() -> None:
    hub = program()
    for wrong, field in (
        ({"url": "http://93.184.215.14/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"timeout_seconds": 99}, "timeout_seconds"),
        ({"event_types": ["no type!"]}, "event_types"),
        ({"static_headers": {"Host": "a"}}, "static_headers"),
        ({"auth": "basic"}, "username"),
        ({"secret": "short"}, "secret"),
        ({"password": "••••••••"}, "password"),
        ({"colour": "red"}, "colour"),
        ({"rate_per_second": 0}, "rate_per_second"),
        ({"rate_per_second": -1}, "rate_per_second"),
    ):
        answer = hub.post(LIST, {**WISH, **wrong})
        assert (answer.status_code, answer.data["success"]) == (400, False), wrong
        assert answer.data["error"]["field"] == field, wrong
        assert answer.data["error"]["help"], wrong
    assert not WebhookEndpoint.objects.exists()


def test_a_name_that_is_not_known_yet_is_told() -> None:
    def missing(host: str, port: int) -> Any:
        raise OSError("no such name")

    with use_resolver(missing):
        answer = program().post(LIST, {**WISH, "url": "https://erp.example.ke/hooks"})
    assert answer.status_code == 201
    assert "erp.example.ke" in answer.data["warnings"][0]
    with use_resolver(lambda host, port: system_lookup("10.0.0.7", port)):
        answer = program().post(LIST, {**WISH, "url": "https://erp.example.ke/hooks"})
    assert answer.data["error"]["code"] == "blocked_address"
    assert "10.0.0.7" not in answer.content.decode()


def test_only_the_own_business_is_there() -> None:
    mine, theirs = endpoint(business="a"), endpoint(business="b")
    everyones = endpoint(every_business=True)
    hub = program("a")
    assert [each["id"] for each in hub.get(LIST).data["results"]] == [mine.pk]
    for row in (theirs, everyones):
        for method, word in (
            ("get", ""), ("patch", ""), ("put", ""), ("delete", ""), ("post", "pause"),
            ("post", "test"), ("post", "rotate-secret"), ("post", "enable"), ("get", "attempts"),
        ):  # fmt: skip
            assert getattr(hub, method)(address(row, word), WISH).status_code == 404, (method, word)
    for business in ("b", ""):
        answer = hub.post(LIST, {**WISH, "business": business})
        assert (answer.status_code, answer.data["error"]["code"]) == (403, "business_not_allowed")
    made = hub.post(LIST, WISH)
    assert (made.status_code, made.data["business"]) == (201, "a")
    answer = hub.post(LIST, {**WISH, "every_business": True})
    assert answer.status_code in (400, 403)


def test_an_endpoint_of_every_business_needs_the_right_to_all_of_them() -> None:
    hub = program("*")
    answer = hub.post(LIST, {**WISH, "every_business": True})
    assert (answer.status_code, answer.data["every_business"]) == (201, True)
    # A user of the installation itself sees its own, and not what carries everybody's events.
    hub = program("")
    assert hub.get(LIST).data["results"] == []
    answer = hub.post(LIST, {**WISH, "every_business": True})
    assert (answer.status_code, answer.data["error"]["field"]) == (403, "every_business")


def test_being_logged_in_is_not_enough() -> None:
    row = endpoint()
    event = delivery(row)
    calls = [
        ("get", LIST), ("post", LIST), ("get", address(row)), ("patch", address(row)),
        ("delete", address(row)), ("post", address(row, "test")), ("get", f"{API}/webhook-events/"),
        ("post", f"{API}/webhook-events/"), ("post", f"{API}/webhook-events/{event.pk}/deliver/"),
        ("post", f"{API}/webhook-events/replay/"), ("get", f"{API}/webhook-event-types/"),
        ("get", f"{API}/webhook-status/"), ("get", f"{API}/webhook-events/{event.pk}/attempts/"),
    ]  # fmt: skip
    anybody = logged_in(user_with())
    reader = with_token(user_with(*RIGHTS), "webhooks:read")
    stranger = with_token(user_with(*RIGHTS), "payments:read")
    for method, path in calls:
        assert getattr(anybody, method)(path, {}).status_code == 403, (method, path)
        assert getattr(stranger, method)(path, {}).status_code == 403, (method, path)
        wanted = 200 if method == "get" else 403
        assert getattr(reader, method)(path, {}).status_code == wanted, (method, path)


def test_switching_answers_with_the_endpoint() -> None:
    row = endpoint()
    hub = program()
    for word, name, value in (
        ("pause", "is_paused", True), ("resume", "is_paused", False),
        ("disable", "is_active", False), ("enable", "is_active", True),
    ):  # fmt: skip
        answer = hub.post(address(row, word), headers={"Idempotency-Key": word})
        assert (answer.status_code, answer.data["success"]) == (200, True), answer.data
        assert answer.data["endpoint"][name] is value
        assert answer.data["warnings"] == []
    again = hub.post(address(row, "pause"), headers={"Idempotency-Key": "pause"})
    assert again.headers["Idempotency-Replayed"] == "true"
    row.refresh_from_db()
    assert not row.is_paused


def test_a_rotated_secret_is_shown_once() -> None:
    row = endpoint()
    hub = program()
    answer = hub.post(
        address(row, "rotate-secret"), {"overlap_hours": 2}, headers={"Idempotency-Key": "r"}
    )
    row.refresh_from_db()
    assert (answer.status_code, answer.data["secret"]) == (200, row.secret.reveal())
    assert answer.data["former_until"] is not None
    again = hub.post(
        address(row, "rotate-secret"), {"overlap_hours": 2}, headers={"Idempotency-Key": "r"}
    )
    assert again.data["secret"] is None
    assert WebhookFormerSecret.objects.count() == 1
    assert answer.data["secret"] not in json.dumps(ApiAnswer.objects.get().body)
    assert AuditEntry.objects.filter(actor__isnull=False, object_id=str(row.pk)).exists()
    refused = hub.post(address(row, "rotate-secret"), {"kind": "v1a"})
    assert (refused.status_code, refused.data["error"]["field"]) == (400, "kind")


def test_deleting_is_answered_again_under_its_key() -> None:
    row = endpoint()
    delivery(row)
    hub = program()
    for _ in range(2):
        answer = hub.delete(address(row), headers={"Idempotency-Key": "d"})
        assert answer.status_code == 204
    assert hub.delete(address(row)).status_code == 404


def test_the_attempts_of_an_endpoint_are_told_in_short() -> None:
    row = endpoint()
    event = delivery(row)
    [shown] = program().get(address(row, "attempts")).data["results"]
    assert (shown["event"], shown["status_code"]) == (event.pk, 503)
    assert "response_body" not in shown


def test_filters_narrow_and_unknown_ones_are_refused() -> None:
    endpoint(business="a")
    off = endpoint(business="", is_active=False)
    hub = program("*")
    assert len(hub.get(f"{LIST}?business=a").data["results"]) == 1
    [shown] = hub.get(f"{LIST}?business=&is_active=false").data["results"]
    assert shown["id"] == off.pk
    assert hub.get(f"{LIST}?colour=red").status_code == 400


def test_one_that_is_deleted_meanwhile_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = program()
    for method, path, body in (
        ("patch", "", {"name": "New"}), ("delete", "", {}), ("post", "pause/", {}),
        ("post", "enable/", {}), ("post", "rotate-secret/", {}),
    ):  # fmt: skip
        row = endpoint()
        found = WebhookView.find_endpoint

        def find(view: WebhookView, pk: str, found: Any = found) -> WebhookEndpoint:
            gone: WebhookEndpoint = found(view, pk)
            WebhookEndpoint.objects.filter(pk=gone.pk).delete()
            return gone

        with monkeypatch.context() as patch:
            patch.setattr(WebhookView, "find_endpoint", find)
            answer = getattr(hub, method)(f"{API}/webhook-endpoints/{row.pk}/{path}", body)
        assert (answer.status_code, answer.data["error"]["code"]) == (404, "not_found"), path
