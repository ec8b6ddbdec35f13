"""Webhook endpoints in the admin: made once, secrets shown once, switched by audited buttons."""

from __future__ import annotations

import html as html_module
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from integrations.exceptions import InvalidInput
from integrations.models import AuditEntry, WebhookEndpoint, WebhookFormerSecret
from tests.admin.page import assert_holds_no_part
from tests.admin.webhooks import (
    ENDPOINTS,
    HOSTILE,
    make_attempt,
    make_endpoint,
    make_event,
    typed,
)
from tests.hunt.plants import planted

ADD = f"{ENDPOINTS}add/"
RIGHTS = (
    "view_webhookendpoint", "add_webhookendpoint", "change_webhookendpoint",
    "delete_webhookendpoint",
)  # fmt: skip


def page_of(endpoint: WebhookEndpoint, act: str = "change") -> str:
    return f"{ENDPOINTS}{endpoint.pk}/{act}/"


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, (url, response.status_code)
    return html_module.unescape(response.content.decode())


def secret_in(html: str) -> str:
    found = set(re.findall(r"whsec_[\w+/=-]{20,}", html_module.unescape(html)))
    assert len(found) == 1, found
    return str(found.pop())


@pytest.fixture(autouse=True)
def no_lookups(settings: Any) -> None:
    """Names are not looked up in a test."""
    settings.OUTBOUND_ALLOWED_HOSTS = ["hooks.example.ke:443"]


def test_an_endpoint_is_made_and_its_secret_shown_once(db: None, admin_client: Client) -> None:
    kinds = ["payment.succeeded"]
    values = typed(known_types=kinds, patterns="settings.*\nhost.made", is_asymmetric="on")
    answer = admin_client.post(ADD, values)
    html = answer.content.decode()
    assert answer.status_code == 200, html
    assert "no-store" in answer["Cache-Control"]
    endpoint = WebhookEndpoint.objects.get()
    assert secret_in(html) == endpoint.secret.reveal()
    assert endpoint.public_key
    assert endpoint.public_key in html_module.unescape(html)
    assert endpoint.event_types == ["payment.succeeded", "settings.*", "host.made"]
    assert endpoint.is_active
    entry = AuditEntry.objects.get(object_type="integrations.WebhookEndpoint")
    assert (entry.action, entry.actor_name) == ("webhook_endpoint.created", "admin")
    secret = endpoint.secret.reveal().removeprefix("whsec_")
    for url in (ENDPOINTS, page_of(endpoint), page_of(endpoint, "history"), "/admin/"):
        assert secret not in text(admin_client, url)
    stored = [
        *(json.dumps(Session.objects.get(pk=key).get_decoded())
          for key in Session.objects.values_list("pk", flat=True)),
        *(f"{each.object_repr} {each.change_message}" for each in LogEntry.objects.all()),
        *(str(values) for values in AuditEntry.objects.values()),
    ]  # fmt: skip
    assert not [each for each in stored if secret in each]


def test_it_can_be_made_switched_off(db: None, admin_client: Client) -> None:
    values = typed()
    del values["is_active"]
    html = admin_client.post(ADD, values).content.decode()
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.is_active, endpoint.disabled_reason) == (False, "by_hand")
    assert "switched off" in html
    assert endpoint.event_types == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "This field is required."),
        ({"url": "http://hooks.example.ke/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://user:pass@hooks.example.ke/"}, "url"),
        ({"patterns": "pay*ment"}, "patterns"),
        ({"static_headers": "no colon here"}, 'Line 1 is not "Name: value".'),
        ({"static_headers": "Webhook-Id: mine"}, "static_headers"),
        ({"static_headers": "X-A: 1\nx-a: 2"}, "Line 2 names a header for the second time."),
        ({"auth": "basic", "username": "shop"}, "password"),
        ({"timeout_seconds": "0"}, "timeout_seconds"),
        ({"max_concurrency": "many"}, "Enter a whole number."),
        ({"rate_per_second": "-1"}, "rate_per_second"),
        ({"client_certificate": "not PEM"}, "client_key"),
        ({"client_certificate": "not PEM", "client_key": "nor this"}, "client_certificate"),
        ({"every_business": "on", "business": "duka"}, "every_business"),
        ({"known_types": ["no.such.type"]}, "Select a valid choice."),
    ],
)
def test_bad_input_is_an_error_of_its_field(
    db: None, admin_client: Client, changes: dict[str, Any], words: str
) -> None:
    answer = admin_client.post(ADD, typed(**changes))
    assert answer.status_code == 200
    form = answer.context["adminform"].form
    assert form.errors
    if words in form.fields:
        assert words in form.errors
    else:
        assert words in str(html_module.unescape(str(form.errors)))
    assert not WebhookEndpoint.objects.exists()


def test_secrets_are_write_only(db: None, admin_client: Client) -> None:
    values = typed(
        auth="basic", username="shop", password=planted("typed consumer key"),
        static_headers=f"X-Key: {planted('header secret')}",
    )  # fmt: skip
    admin_client.post(ADD, values)
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.password.reveal() == planted("typed consumer key")
    assert json.loads(endpoint.static_headers.reveal()) == {"X-Key": planted("header secret")}
    html = text(admin_client, page_of(endpoint))
    assert_holds_no_part(html, planted("typed consumer key"), planted("header secret"))
    assert "Set, fingerprint" in html


def test_a_change_keeps_what_was_left_blank_and_names_the_fields(
    db: None, admin_client: Client
) -> None:
    admin_client.post(ADD, typed(auth="basic", username="shop", password=planted("API token")))
    endpoint = WebhookEndpoint.objects.get()
    before = endpoint.secret.reveal()
    values = typed(auth="basic", username="shop", name="Shop two", patterns="payment.*")
    answer = admin_client.post(page_of(endpoint), values)
    assert answer.status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.event_types) == ("Shop two", ["payment.*"])
    assert endpoint.password.reveal() == planted("API token")
    assert endpoint.secret.reveal() == before
    assert endpoint.is_active
    entry = AuditEntry.objects.get(action="webhook_endpoint.updated")
    assert sorted(entry.fields) == ["event_types", "name"]
    assert "Changed" in text(admin_client, page_of(endpoint, "history"))


def test_another_host_demands_the_secrets_again(
    db: None, admin_client: Client, settings: Any
) -> None:
    settings.OUTBOUND_ALLOWED_HOSTS = ["hooks.example.ke:443", "evil.example.ke:443"]
    admin_client.post(ADD, typed(auth="basic", username="shop", password=planted("API token")))
    endpoint = WebhookEndpoint.objects.get()
    moved = typed(auth="basic", username="shop", url="https://evil.example.ke/")
    answer = admin_client.post(page_of(endpoint), moved)
    assert "password" in answer.context["adminform"].form.errors
    endpoint.refresh_from_db()
    assert endpoint.url == "https://hooks.example.ke/erp/inbox"


def test_a_group_with_an_error_is_open(db: None, admin_client: Client) -> None:
    html = admin_client.get(ADD).content.decode()
    assert html.count("<details>") >= 2
    closed = admin_client.post(ADD, typed(timeout_seconds="0")).content.decode()
    assert closed.count("<details>") == html.count("<details>") - 1


STATES: tuple[tuple[dict[str, Any], dict[str, Any], str, str], ...] = (
    ({}, {}, "good", "Active"),
    ({"is_paused": True, "paused_at": timezone.now()}, {}, "warn", "Paused since"),
    ({}, {"failing_since": timezone.now()}, "bad", "Failing since"),
    ({}, {"open_until": timezone.now() + timedelta(hours=1), "failing_since": timezone.now()},
     "warn", "Breaker open until"),
    ({"is_active": False, "disabled_reason": "gone"}, {}, "bad", "Disabled: answered 410 Gone"),
    ({"is_active": False, "disabled_reason": "failing"}, {}, "bad",
     "Disabled: failed for too long"),
    ({"is_active": False, "disabled_reason": "by_hand"}, {}, "calm", "Disabled: by hand"),
)  # fmt: skip


@pytest.mark.parametrize(("values", "lane", "tone", "words"), STATES)
def test_the_list_says_how_each_stands(
    db: None, admin_client: Client, values: dict[str, Any], lane: dict[str, Any], tone: str,
    words: str,
) -> None:  # fmt: skip
    endpoint = make_endpoint(lane=lane, **values)
    for url in (ENDPOINTS, page_of(endpoint)):
        assert f'<span class="badge badge-{tone}">{words}' in text(admin_client, url)


def test_the_list_counts_what_waits_and_hides_paths(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint(url="https://hooks.example.ke/T0/very-secret-path")
    for _ in range(3):
        make_event(endpoint)
    make_event(endpoint, "delivered")
    html = text(admin_client, ENDPOINTS)
    assert "hooks.example.ke" in html
    assert "very-secret-path" not in html
    assert (
        f'href="/admin/integrations/webhookevent/?endpoint={endpoint.pk}&status=waiting">3' in html
    )


@pytest.mark.parametrize(
    ("standing", "found"),
    [
        ("failing", {"failing", "gone"}), ("paused", {"paused"}), ("disabled", {"gone", "off"}),
        ("active", {"fine", "failing"}), ("open", set()), ("nonsense", None),
    ],
)  # fmt: skip
def test_the_list_is_filtered_by_how_endpoints_stand(
    db: None, admin_client: Client, standing: str, found: set[str] | None
) -> None:
    make_endpoint("fine")
    make_endpoint("failing", lane={"failing_since": timezone.now()})
    make_endpoint("paused", is_paused=True)
    make_endpoint("gone", is_active=False, disabled_reason="gone")
    make_endpoint("off", is_active=False, disabled_reason="by_hand")
    everything = {"fine", "failing", "paused", "gone", "off"}
    rows = admin_client.get(f"{ENDPOINTS}?standing={standing}").context["cl"].queryset
    assert {row.name for row in rows} == (everything if found is None else found)


def test_pausing_and_resuming(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint()
    told = admin_client.post(page_of(endpoint, "pause"), follow=True).content.decode()
    assert "is paused. Its events are kept and wait." in told
    endpoint.refresh_from_db()
    assert endpoint.is_paused
    admin_client.post(page_of(endpoint, "resume"))
    endpoint.refresh_from_db()
    assert not endpoint.is_paused
    actions = AuditEntry.objects.values_list("action", "actor_name")
    assert list(actions.order_by("pk")) == [
        ("webhook_endpoint.paused", "admin"), ("webhook_endpoint.resumed", "admin"),
    ]  # fmt: skip


def test_disabling_asks_first_and_enabling_does_not(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint()
    for answer in (
        admin_client.get(page_of(endpoint, "disable")),
        admin_client.post(page_of(endpoint, "disable")),
    ):
        assert "are not kept for it" in answer.content.decode()
    endpoint.refresh_from_db()
    assert endpoint.is_active
    admin_client.post(page_of(endpoint, "disable"), {"confirmed": "yes"})
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.disabled_reason) == (False, "by_hand")
    admin_client.post(page_of(endpoint, "enable"))
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.disabled_reason) == (True, "")


def test_one_that_can_not_be_used_any_more_is_not_enabled(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint(url="https://10.0.0.1/", is_active=False, disabled_reason="failing")
    told = admin_client.post(page_of(endpoint, "enable"), follow=True)
    assert told.status_code == 200
    endpoint.refresh_from_db()
    assert not endpoint.is_active


def test_a_secret_is_replaced_and_the_new_one_shown_once(db: None, admin_client: Client) -> None:
    admin_client.post(ADD, typed())
    endpoint = WebhookEndpoint.objects.get()
    before = endpoint.secret.reveal()
    url = page_of(endpoint, "rotate")
    assert 'name="kind"' not in text(admin_client, url)
    refused = admin_client.post(url, {"overlap_hours": "-1"})
    assert refused.context["form"].errors
    answer = admin_client.post(url, {"overlap_hours": "48"})
    assert "no-store" in answer["Cache-Control"]
    html = answer.content.decode()
    endpoint.refresh_from_db()
    assert secret_in(html) == endpoint.secret.reveal() != before
    assert "For 48 hours every event is signed with the old one too." in html
    former = WebhookFormerSecret.objects.get()
    assert former.key.reveal() == before
    page = text(admin_client, page_of(endpoint))
    assert "A replaced secret (v1) signs too until" in page
    assert before not in page
    assert AuditEntry.objects.filter(action="webhook.secret_rotated", actor_name="admin").exists()


def test_of_a_key_pair_only_the_public_half_is_shown(db: None, admin_client: Client) -> None:
    admin_client.post(ADD, typed(is_asymmetric="on"))
    endpoint = WebhookEndpoint.objects.get()
    before = endpoint.public_key
    url = page_of(endpoint, "rotate")
    html = html_module.unescape(
        admin_client.post(url, {"overlap_hours": "1", "kind": "v1a"}).content.decode()
    )
    endpoint.refresh_from_db()
    assert endpoint.public_key != before
    assert endpoint.public_key in html
    assert "whsk_" not in html
    assert "whsec_" not in html


def test_deleting_asks_first_and_says_what_goes(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint()
    make_event(endpoint)
    url = page_of(endpoint, "delete")
    assert "Waiting for it now: 1." in text(admin_client, url)
    admin_client.post(url, {"post": "yes"})
    assert WebhookEndpoint.objects.exists()
    told = admin_client.post(url, {"confirmed": "yes"}, follow=True).content.decode()
    assert "was deleted." in told
    assert not WebhookEndpoint.objects.exists()
    assert AuditEntry.objects.filter(action="webhook_endpoint.deleted").exists()


def test_hostile_names_are_shown_harmlessly(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint(HOSTILE, lane={"last_error": HOSTILE, "failing_since": timezone.now()})
    make_event(endpoint)
    acts = ("change", "rotate", "disable", "delete", "history")
    for url in (ENDPOINTS, f"{ENDPOINTS}stuck/", *(page_of(endpoint, act) for act in acts)):
        html = admin_client.get(url).content.decode()
        assert "<script>window" not in html, url
        assert "<img src=x" not in html, url


def test_own_businesses_only(db: None, client_of: Callable[..., Client]) -> None:
    client = client_of(*RIGHTS, businesses=("mine",))
    mine = make_endpoint("MARK-mine", business="mine")
    theirs = make_endpoint("MARK-theirs", business="theirs")
    every = make_endpoint("MARK-every", every_business=True)
    html = text(client, ENDPOINTS)
    assert "MARK-mine" in html
    assert "MARK-theirs" not in html
    assert "MARK-every" not in html
    for endpoint in (theirs, every):
        assert client.get(page_of(endpoint)).status_code == 302
        for act in ("test", "rotate", "disable", "pause", "resume", "enable", "delete"):
            data = {"confirmed": "yes", "overlap_hours": "1"}
            assert client.post(page_of(endpoint, act), data).status_code == 404, act
        endpoint.refresh_from_db()
        assert endpoint.is_active
        assert not endpoint.is_paused
    assert client.post(page_of(mine, "pause")).status_code == 302


@pytest.mark.parametrize("business", ["theirs", ""])
def test_nothing_is_made_for_another_business(
    db: None, client_of: Callable[..., Client], business: str
) -> None:
    client = client_of(*RIGHTS, businesses=("mine",))
    html = text(client, ADD)
    assert 'value="mine"' in html
    assert 'name="every_business"' not in html
    answer = client.post(ADD, typed(business=business, every_business="on"))
    assert "business" in answer.context["adminform"].form.errors
    assert not WebhookEndpoint.objects.exists()
    client.post(ADD, typed(business="mine", every_business="on"))
    made = WebhookEndpoint.objects.get()
    assert (made.business, made.every_business) == ("mine", False)


def test_the_business_stays_as_it_is(db: None, admin_client: Client) -> None:
    endpoint = make_endpoint(business="mine")
    assert 'name="business"' not in text(admin_client, page_of(endpoint))
    admin_client.post(page_of(endpoint), typed(name="New", business="theirs"))
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.business) == ("New", "mine")


def test_permissions(db: None, client_of: Callable[..., Client], admin_user: User) -> None:
    endpoint = make_endpoint()
    viewer = client_of("view_webhookendpoint")
    html = text(viewer, page_of(endpoint))
    assert "Send test event" not in html
    assert "Replace the secret" not in html
    assert viewer.get(ADD).status_code == 403
    for act in ("test", "rotate", "disable", "pause", "resume", "enable", "delete"):
        assert viewer.post(page_of(endpoint, act), {"confirmed": "yes"}).status_code == 403, act
    assert client_of().get(ENDPOINTS).status_code == 403
    assert client_of().get(f"{ENDPOINTS}stuck/").status_code == 403
    assert client_of().get(f"{ENDPOINTS}catalogue/").status_code == 403
    assert "/login/" in Client().post(page_of(endpoint, "pause"))["Location"]
    changer = client_of("view_webhookendpoint", "change_webhookendpoint")
    for act in ("test", "pause", "resume", "enable"):
        assert changer.get(page_of(endpoint, act)).status_code == 405, act
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    for act in ("test", "pause", "rotate"):
        assert client.post(page_of(endpoint, act), {"overlap_hours": "1"}).status_code == 403, act
    endpoint.refresh_from_db()
    assert not endpoint.is_paused


def test_the_page_of_one_without_a_lane(db: None, admin_client: Client) -> None:
    endpoint = WebhookEndpoint.objects.create(name="Bare", url="https://hooks.example.ke/")
    assert "Active" in text(admin_client, ENDPOINTS)
    assert "none yet" in text(admin_client, page_of(endpoint))
    for wrong in ("?tested=1", "?tested=x", f"?tested={2**80}"):
        assert "none yet" in text(admin_client, page_of(endpoint) + wrong)


def test_only_a_test_is_shown_on_the_endpoints_page(db: None, admin_client: Client) -> None:
    event = make_event(make_endpoint(), "failed")
    for trigger, is_shown in (("auto", False), ("manual", False), ("test", True)):
        attempt = make_attempt(event, trigger=trigger, response_body="the answer of a shop")
        html = text(admin_client, f"{page_of(event.endpoint)}?tested={attempt.pk}")
        assert ("the answer of a shop" in html) is is_shown, trigger


def test_names_are_looked_up_before_the_transaction(
    transactional_db: None, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server may take seconds, in which SQLite could store nothing else."""
    asked: list[tuple[str, bool]] = []

    def look_up(field: str, url: str) -> str:
        asked.append((url, connection.in_atomic_block))
        if "inside" in url:
            raise InvalidInput(field, "leads inside", code="blocked_address")
        return f"{field}: not found just now."

    for module in ("changes", "validation"):
        monkeypatch.setattr(f"integrations.webhooks.endpoints.{module}.look_up", look_up)
    answer = admin_client.post(ADD, typed(url="slow.example.ke/in"))
    endpoint = WebhookEndpoint.objects.get()
    assert asked == [("https://slow.example.ke/in", False)]
    assert answer.status_code == 200
    asked.clear()
    html = admin_client.post(page_of(endpoint), typed(url="https://inside.example.ke/"))
    assert "Leads inside." in html.content.decode()
    admin_client.post(page_of(endpoint), typed(url=endpoint.url, name="Renamed"))
    assert asked == [("https://inside.example.ke/", False)]
    endpoint.refresh_from_db()
    assert (endpoint.url, endpoint.name) == ("https://slow.example.ke/in", "Renamed")
    asked.clear()
    viewer = User.objects.create_user("viewer", is_staff=True)
    client = Client()
    client.force_login(viewer)
    assert client.post(ADD, typed()).status_code == 403
    assert asked == [], "who may not add learns nothing of names"
