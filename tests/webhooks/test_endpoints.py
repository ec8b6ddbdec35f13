"""Making and changing endpoints: what is stored, what is told, what is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from integrations.access import Scope
from integrations.exceptions import InvalidInput
from integrations.models import AuditEntry, BusinessGrant, WebhookEndpoint, WebhookLane
from integrations.outbound.resolver import Address, lookup, system_lookup, use_resolver
from integrations.webhooks import endpoints
from tests.hunt.plants import planted

pytestmark = pytest.mark.django_db
URL = "https://receiver.example.com/hooks"
PUBLIC = "93.184.215.14"


def answering(host: str, port: int) -> list[Address]:
    """Names as a name server knows them: internal ones, public ones, and none."""
    if host.startswith("missing"):
        raise OSError("no such name")
    return system_lookup("10.0.0.7" if host.startswith("inner") else PUBLIC, port)


@pytest.fixture(autouse=True)
def _names() -> Iterator[None]:
    with use_resolver(answering):
        yield


def values(**changes: Any) -> dict[str, Any]:
    return {"name": "ERP", "url": URL, **changes}


def made(**changes: Any) -> WebhookEndpoint:
    return endpoints.create_endpoint(values(**changes)).endpoint


def refused(**changes: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        endpoints.create_endpoint(values(**changes))
    assert not WebhookEndpoint.objects.exists()
    return caught.value


def with_everything() -> dict[str, Any]:
    return {
        "auth": "basic",
        "username": "hub",
        "password": planted("posted secret"),
        "static_headers": {"X-Api-Key": planted("header secret")},
    }


def test_a_new_endpoint_has_a_secret_a_lane_and_an_entry_in_the_trail() -> None:
    created = endpoints.create_endpoint(values(event_types=["payment.*"]))
    row = WebhookEndpoint.objects.get()
    assert created.secret.startswith("whsec_")
    assert row.secret.reveal() == created.secret
    assert created.secret not in repr(created)
    assert WebhookLane.objects.get().key == str(row.pk)
    assert (row.is_active, row.secret_hosts) == (True, ["receiver.example.com:443"])
    entry = AuditEntry.objects.get()
    assert entry.action == "webhook_endpoint.created"
    assert {"name", "url", "event_types", "secret"} <= set(entry.fields)


def test_a_given_secret_is_taken_and_a_bad_one_refused() -> None:
    given = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    created = endpoints.create_endpoint(values(secret=given))
    assert (created.secret, created.endpoint.secret.reveal()) == ("", given)
    WebhookEndpoint.objects.all().delete()
    old = planted("typed consumer secret")
    assert made(secret=old).secret.reveal() == old
    WebhookEndpoint.objects.all().delete()
    for bad in ("whsec_AAEC", "whsec_!!", "short", "nö" * 20, 7, ["whsec_"]):
        assert refused(secret=bad).field == "secret", bad


def test_an_endpoint_can_be_made_disabled_and_paused() -> None:
    row = made(is_active=False, is_paused=True)
    row.refresh_from_db()
    assert (row.is_active, row.disabled_reason, row.is_paused) == (False, "by_hand", True)
    assert row.disabled_at is not None
    assert row.paused_at is not None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "x" * 101), ("name", "two\nlines"), ("name", 7), ("name", None),
        ("timeout_seconds", 0), ("timeout_seconds", 31), ("timeout_seconds", True),
        ("timeout_seconds", "15"), ("max_concurrency", 0), ("max_concurrency", 101),
        ("rate_per_second", 0), ("rate_per_second", -1), ("rate_per_second", float("nan")),
        ("rate_per_second", float("inf")), ("rate_per_second", True), ("is_active", "no"),
        ("body_format", "xml"), ("auth", "digest"), ("auth", None), ("event_types", "payment.*"),
        ("business", "x" * 65), ("is_ordered", None), ("unknown", 1), ("client_certificate", 1),
        ("password", 1),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_by_the_name_of_its_field(field: str, value: Any) -> None:
    assert refused(**{field: value}).field == field


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "required"), (None, "required"), (7, "required"),
        ("http://receiver.example.com/", "https_required"),
        ("https://127.0.0.1/", "blocked_address"), ("https://[::1]/", "blocked_address"),
        ("https://169.254.169.254/latest", "blocked_address"),
        ("https://inner.example.com/", "blocked_address"),
        ("https://2130706433/", "invalid_input"), ("https://localhost/", "invalid_input"),
        ("https://db.internal/", "invalid_input"),
        ("https://u:p@receiver.example.com/", "invalid_input"),
        ("https://receiver.example.com:22/", "invalid_input"),
        ("https://receiver.example.com/#part", "invalid_input"),
        ("https://receiver.example.com/wanjikũ", "invalid_input"),
        ("https://receiver.example.com/a b", "invalid_input"),
        ("ftp://receiver.example.com/", "invalid_input"),
        ("https://receiver.example.com/" + "x" * 500, "max_length"),
    ],
)  # fmt: skip
def test_an_address_that_nothing_may_be_sent_to_is_refused(url: Any, code: str) -> None:
    error = refused(url=url)
    assert (error.field, error.code) == ("url", code)
    assert "10.0.0.7" not in str(error)
    if isinstance(url, str) and url:
        values_of_token = {
            "auth": "oauth2",
            "client_id": "a",
            "client_secret": planted("consumer secret"),
        }
        error = refused(**values_of_token, token_url=url)
        assert (error.field, error.code) == ("token_url", code)


def test_what_the_operator_allows_is_taken(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = ["receiver:8080", "127.0.0.1:9000"]
    assert made(url="http://receiver:8080/hooks").secret_hosts == ["receiver:8080"]
    assert made(url="http://127.0.0.1:9000/hooks").pk


def test_a_name_that_is_not_known_yet_is_taken_with_a_warning() -> None:
    created = endpoints.create_endpoint(values(url="https://missing.example.com/"))
    assert "missing.example.com" in created.warnings[0]
    assert made().pk
    assert endpoints.create_endpoint(values()).warnings == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"auth": "basic"}, "username"),
        ({"auth": "basic", "username": "hub"}, "password"),
        ({"auth": "basic", "username": "a:b", "password": "p"}, "username"),
        ({"username": "hub"}, "username"),
        ({"password": "p"}, "password"),
        ({"auth": "basic", "username": "a", "password": "a\nb"}, "password"),
        ({"auth": "oauth2"}, "token_url"),
        ({"auth": "oauth2", "token_url": URL, "client_id": "a"}, "client_secret"),
        ({"auth": "basic", "username": "a", "password": "p", "client_id": "a"}, "client_id"),
        (
            {"auth": "basic", "username": "a", "password": "p",
             "static_headers": {"authorization": "x"}},
            "static_headers",
        ),
    ],
)  # fmt: skip
def test_half_an_identification_is_refused(given: dict[str, Any], field: str) -> None:
    assert refused(**given).field == field


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "a"}, {"CONTENT-LENGTH": "1"}, {"webhook-id": "a"}, {"Webhook-Signature": "a"},
        {"Transfer-Encoding": "chunked"}, {"Connection": "close"}, {"Content-Type": "text/plain"},
        {"X-Webhook-Signature": "a"}, {"Proxy-Authorization": "a"}, {"X": "a\r\nHost: b"},
        {"X": "a\nb"}, {"X": "a\x00"}, {"X\r\nY": "a"}, {"": "a"}, {"X Y": "a"}, {"X:": "a"},
        {"X": ""}, {"X": " a"}, {"X": "a "}, {"X": "ñ"}, {"X": 7}, {"X": None}, {"X": ["a"]},
        {"X": "a", "x": "b"}, {"X": "••••••••"}, {f"X-{n}": "a" for n in range(21)},
        {"X": "a" * 4097}, {"X" * 101: "a"}, {f"X-{n}": "a" * 4000 for n in range(3)},
        ["X"], 7, "[]", "{", '{"X": "a", "X": "b"}', "[" * 5000, '{"X": 1}',
    ],
)  # fmt: skip
def test_a_header_that_is_not_the_owners_is_refused(headers: Any) -> None:
    error = refused(static_headers=headers)
    assert error.field == "static_headers"
    assert "aaaa" not in str(error)


def test_headers_are_taken_as_an_object_and_as_text() -> None:
    row = made(static_headers={"X-Api-Key": "a b"})
    assert endpoints.read_headers(row.static_headers.reveal()) == {"X-Api-Key": "a b"}
    row = made(static_headers='{"X-Api-Key": "c"}')
    assert endpoints.read_headers(row.static_headers.reveal()) == {"X-Api-Key": "c"}
    assert not made(static_headers={}).static_headers


def test_only_what_is_given_is_changed_and_told() -> None:
    row = made(**with_everything())
    AuditEntry.objects.all()._raw_delete("default")
    changed = endpoints.update_endpoint(row, {"name": "New", "timeout_seconds": 15})
    assert changed.fields == ["name"]
    assert row.name == "New"
    assert row.password.reveal() == planted("posted secret")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.fields) == ("webhook_endpoint.updated", ["name"])
    endpoints.update_endpoint(row, {"name": "New"})
    assert AuditEntry.objects.count() == 1


def test_another_address_does_not_sit_out_the_breaker_of_the_former() -> None:
    row = made()
    later = timezone.now() + timedelta(minutes=9)
    WebhookLane.objects.update(open_until=later, times_opened=3)
    endpoints.update_endpoint(row, {"name": "New", "url": URL})
    assert WebhookLane.objects.get().open_until == later
    endpoints.update_endpoint(row, {"url": f"{URL}/new"})
    lane = WebhookLane.objects.get()
    assert (lane.open_until, lane.times_opened) == (None, 3)


def test_a_change_that_is_refused_changes_nothing() -> None:
    row = made()
    with pytest.raises(InvalidInput):
        endpoints.update_endpoint(row, {"name": "New", "timeout_seconds": 99})
    assert WebhookEndpoint.objects.get().name == "ERP"


def test_another_host_demands_what_would_be_sent_to_it_again() -> None:
    row = made(**with_everything())
    moved = {"url": "https://other.example.com/hooks"}
    with pytest.raises(InvalidInput) as caught:
        endpoints.update_endpoint(row, moved)
    assert caught.value.code == "host_not_confirmed"
    assert "password" in caught.value.reason
    assert "static_headers" in caught.value.reason
    with pytest.raises(InvalidInput) as caught:
        endpoints.update_endpoint(row, {**moved, "password": "new"})
    assert caught.value.field == "static_headers"
    endpoints.update_endpoint(row, {**moved, "password": "new", "static_headers": {"X": "y"}})
    assert row.secret_hosts == ["other.example.com:443"]
    endpoints.update_endpoint(row, {"url": "https://other.example.com/elsewhere"})
    endpoints.update_endpoint(row, {"url": URL, "password": "p", "static_headers": ""})


def test_the_two_hosts_of_an_endpoint_can_not_change_places() -> None:
    token_url = "https://login.example.com/token"
    secret = planted("consumer secret")
    row = made(auth="oauth2", token_url=token_url, client_id="a", client_secret=secret)
    for change in (
        {"url": token_url, "token_url": URL},
        {"token_url": "https://other.example.com/token"},
        {"url": "https://other.example.com/"},
    ):
        with pytest.raises(InvalidInput) as caught:
            endpoints.update_endpoint(row, change)
        assert (caught.value.field, caught.value.code) == ("client_secret", "host_not_confirmed")
    endpoints.update_endpoint(row, {"auth": "none"})
    row.refresh_from_db()
    assert (row.token_url, row.client_id, bool(row.client_secret)) == ("", "", False)
    assert row.secret_hosts == ["receiver.example.com:443"]


def test_a_form_that_holds_the_row_is_held_to_the_same() -> None:
    row = WebhookEndpoint.objects.get(pk=made(**with_everything()).pk)
    row.url = "https://other.example.com/hooks"
    with pytest.raises(InvalidInput) as caught:
        endpoints.clean_endpoint(row)
    assert caught.value.code == "host_not_confirmed"
    row.password, row.static_headers = "new", '{"X": "y"}'
    assert endpoints.clean_endpoint(row) == []


def test_an_endpoint_keeps_its_business() -> None:
    row = made(business="branch-7")
    for change in ({"business": "branch-8"}, {"business": ""}):
        with pytest.raises(InvalidInput) as caught:
            endpoints.update_endpoint(row, change)
        assert caught.value.field == "business"
    whole = made(every_business=True)
    with pytest.raises(InvalidInput) as caught:
        endpoints.update_endpoint(whole, {"every_business": False})
    assert caught.value.field == "every_business"
    WebhookEndpoint.objects.all().delete()
    assert refused(every_business=True, business="branch-7").field == "every_business"


def test_only_the_own_business_can_have_endpoints() -> None:
    user = User.objects.create_user("clerk")
    BusinessGrant.objects.create(user=user, business="branch-7")
    for given in ({}, {"business": "branch-8"}, {"every_business": True}):
        with pytest.raises(InvalidInput) as caught:
            endpoints.create_endpoint(values(**given), actor=user)
        assert caught.value.code == "business_not_allowed"
    row = endpoints.create_endpoint(values(business="branch-7"), actor=user).endpoint
    assert AuditEntry.objects.get(action="webhook_endpoint.created").actor == user
    narrow = Scope(businesses=frozenset({"branch-8"}))
    with pytest.raises(InvalidInput):
        endpoints.update_endpoint(row, {"name": "New"}, actor=user, scope=narrow)


def test_a_secret_that_is_replaced_signs_on_for_a_day() -> None:
    row = made()
    old = row.secret.reveal()
    given = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert endpoints.update_endpoint(row, {"secret": given}).fields == ["secret"]
    former = row.former_secrets.get()
    assert (former.kind, former.key.reveal()) == ("v1", old)
    assert row.secret.reveal() == given
    assert endpoints.update_endpoint(row, {"secret": given}).fields == []
    assert endpoints.update_endpoint(row, {"secret": ""}).fields == []
    assert row.former_secrets.count() == 1


def test_pausing_and_switching_off_are_audited_once() -> None:
    row = made()
    for act in (
        endpoints.pause, endpoints.pause, endpoints.resume, endpoints.disable, endpoints.disable,
        endpoints.enable, endpoints.enable,
    ):  # fmt: skip
        act(row)
    told = list(AuditEntry.objects.order_by("id").values_list("action", flat=True))[1:]
    assert told == [
        f"webhook_endpoint.{verb}" for verb in ("paused", "resumed", "disabled", "enabled")
    ]
    assert (row.is_active, row.is_paused, row.disabled_reason) == (True, False, "")


def test_the_switches_mean_the_same_in_a_change() -> None:
    row = made()
    endpoints.update_endpoint(row, {"is_active": False, "is_paused": True})
    assert (row.disabled_reason, row.paused_at is not None) == ("by_hand", True)
    endpoints.update_endpoint(row, {"is_active": True, "is_paused": False})
    assert (row.is_active, row.disabled_reason, row.paused_at) == (True, "", None)


def test_what_can_not_be_sent_to_is_not_switched_on(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = ["127.0.0.1:9000"]
    row = made(url="http://127.0.0.1:9000/", is_active=False)
    settings.OUTBOUND_ALLOWED_HOSTS = []
    with pytest.raises(InvalidInput):
        endpoints.enable(row)
    endpoints.pause(row)
    assert row.is_paused


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="one writer at a time anyway")
def test_two_changes_at_once_lose_nothing() -> None:
    row = made()
    begin = threading.Barrier(2)

    def change(**given: Any) -> None:
        begin.wait(10)
        endpoints.update_endpoint(WebhookEndpoint.objects.get(pk=row.pk), given)
        connection.close()

    threads = [
        threading.Thread(target=change, kwargs={"name": "New"}),
        threading.Thread(target=change, kwargs={"timeout_seconds": 7}),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    row.refresh_from_db()
    assert (row.name, row.timeout_seconds) == ("New", 7)


def test_a_row_held_for_long_overwrites_nothing() -> None:
    row = made()
    held = WebhookEndpoint.objects.get(pk=row.pk)
    endpoints.update_endpoint(row, {"name": "New"})
    endpoints.update_endpoint(held, {"timeout_seconds": 7})
    assert (held.name, held.timeout_seconds) == ("New", 7)
    assert lookup(PUBLIC, 443, timeout=1)
