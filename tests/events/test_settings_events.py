"""Events of settings: with the change, names of fields and never a value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from integrations.models import (
    DomainEvent,
    Integrations,
    MpesaSettings,
    WebhookMessage,
    act_as,
    acting,
)
from tests.conftest import CONSUMER_KEY, CONSUMER_SECRET
from tests.events.makers import deliveries, make_endpoint
from tests.hunt.plants import PASSKEY, planted

pytestmark = pytest.mark.django_db
VALUES = {
    "consumer_key": CONSUMER_KEY, "consumer_secret": CONSUMER_SECRET, "passkey": PASSKEY,
    "short_code": "174379",
}  # fmt: skip


def make(**values: Any) -> MpesaSettings:
    return MpesaSettings.objects.create(**{**VALUES, **values})


def told() -> list[tuple[str, str, list[str]]]:
    rows = DomainEvent.objects.order_by("pk")
    return [(row.event_type, row.business, row.payload["fields"]) for row in rows]


def forget() -> None:
    DomainEvent.objects.all().delete()


def test_creating_changing_and_deleting_are_told_of() -> None:
    with acting(User.objects.create_user("wanjiku")):
        row = make(business="b1")
        key = str(row.pk)
        event = DomainEvent.objects.get()
        assert event.payload == {
            "integration": "mpesa", "settings_id": key, "business": "b1",
            "environment": "sandbox", "changed_by": "wanjiku",
            "fields": event.payload["fields"],
        }  # fmt: skip
        assert set(VALUES) | {"business", "is_main"} <= set(event.payload["fields"])
        assert "security_credential" not in event.payload["fields"]
        forget()
        row.passkey = planted("typed consumer key")  # type: ignore[assignment]
        row.environment = "production"
        row.save()
        row.delete()
    rows = list(DomainEvent.objects.order_by("pk"))
    assert [(row.event_type, row.payload["fields"]) for row in rows] == [
        ("settings.changed", ["environment", "passkey"]), ("settings.deleted", []),
    ]  # fmt: skip
    assert {row.payload["environment"] for row in rows} == {"production"}
    assert {row.payload["settings_id"] for row in rows} == {key}
    assert {row.payload["changed_by"] for row in rows} == {"wanjiku"}


def test_no_value_is_told_and_nobody_is_the_system() -> None:
    make_endpoint(every_business=True)
    row = make(business="b1")
    row.consumer_key = planted("typed consumer key")  # type: ignore[assignment]
    row.save()
    row.delete()
    texts = [
        json.dumps(payload) for payload in DomainEvent.objects.values_list("payload", flat=True)
    ]
    texts += [
        bytes(body).decode() for body in WebhookMessage.objects.values_list("body", flat=True)
    ]
    assert len(texts) == 6
    for text in texts:
        assert '"system"' in text
        for value in (*VALUES.values(), planted("typed consumer key")):
            assert value not in text


def test_whoever_changed_them_is_named_without_the_token() -> None:
    user = User.objects.create_user("otieno")
    with acting(user):
        act_as(user, through="API token till (bit_abcd…)")
        make()
    assert DomainEvent.objects.get().payload["changed_by"] == "otieno"


def test_saving_the_same_again_says_nothing() -> None:
    row = make()
    forget()
    row.save()
    MpesaSettings.objects.get().save()
    MpesaSettings.objects.update(last_test_message="fine")
    row.note_test(ok=True, message="fine", milliseconds=1)
    assert told() == []


def test_a_change_that_is_rolled_back_is_not_told_of() -> None:
    for change in ("save", "delete"):
        row = make(business=change)
        forget()
        row.short_code = "600999"
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            getattr(row, change)()
            raise ZeroDivisionError
        assert told() == []


def test_bulk_writes_are_told_of_row_by_row() -> None:
    MpesaSettings.objects.bulk_create(MpesaSettings(**VALUES, business=name) for name in "ab")
    assert [(kind, business) for kind, business, _ in told()] == [
        ("settings.created", "a"), ("settings.created", "b"),
    ]  # fmt: skip
    forget()
    # The filter no longer fits afterwards.
    MpesaSettings.objects.filter(short_code="174379").update(short_code="600999", last_test_ms=1)
    assert told() == [
        ("settings.changed", "a", ["short_code"]), ("settings.changed", "b", ["short_code"]),
    ]  # fmt: skip
    forget()
    MpesaSettings.objects.filter(business="a").delete()
    assert told() == [("settings.deleted", "a", [])]


@pytest.mark.parametrize("how", ["instance", "queryset"])
def test_rows_that_go_with_their_integration_are_told_of(how: str) -> None:
    make(business="b1")
    forget()
    if how == "instance":
        Integrations.objects.get().delete()
    else:
        Integrations.objects.all().delete()
    assert told() == [("settings.deleted", "b1", [])]


def test_a_business_hears_of_its_own_settings_and_of_no_others() -> None:
    make_endpoint("installation", event_types=["settings.*"])
    make_endpoint("mine", business="b1")
    make(business="b1")
    make(business="b2")
    make(shared=True)
    assert deliveries() == [("settings.created", "mine"), ("settings.created", "installation")]
