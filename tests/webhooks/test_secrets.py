"""Secrets: made, shown once, replaced with an overlap, also by two at once and after a rekey."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
import time_machine
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection, connections, transaction

from integrations.crypto import keyring
from integrations.crypto.reencrypt import encrypted_columns
from integrations.exceptions import InvalidInput
from integrations.models import (
    AuditEntry,
    KeyRotation,
    SigningKind,
    WebhookEndpoint,
    WebhookFormerSecret,
)
from integrations.webhooks import secrets, signing
from integrations.webhooks.plan import EndpointPlan
from tests.webhooks.endpoints import headers_of, make_endpoint, make_message
from tests.webhooks.vectors import A

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def signatures(endpoint: WebhookEndpoint, at: datetime | None = None) -> list[str]:
    """The entries of a delivery made now."""
    moment = at or datetime.now(UTC)
    plan = EndpointPlan.load(WebhookEndpoint.objects.get(pk=endpoint.pk))
    found = headers_of(plan.build(make_message(), at=moment.timestamp()))
    return found["webhook-signature"].split(" ")


def verifies(secret: str | bytes, endpoint: WebhookEndpoint) -> bool:
    """Whether a receiver with this secret accepts a delivery made now."""
    plan = EndpointPlan.load(WebhookEndpoint.objects.get(pk=endpoint.pk))
    prepared = plan.build(make_message(), at=datetime.now(UTC).timestamp())
    try:
        standardwebhooks.Webhook(secret).verify(prepared.body, headers_of(prepared))
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def test_a_new_endpoint_gets_a_secret_that_is_told_once() -> None:
    endpoint = WebhookEndpoint(name="shop", url="https://a.example.com/")
    issued = secrets.give_secret(endpoint)
    assert endpoint._state.adding
    assert signing.is_standard(issued.secret)
    endpoint.save()
    assert verifies(issued.secret, endpoint)
    assert issued.secret not in repr(issued)
    again = secrets.give_secret(endpoint)
    assert again.secret == ""
    assert verifies(issued.secret, endpoint)


def test_a_typed_secret_stays_and_is_not_told() -> None:
    endpoint = WebhookEndpoint(name="shop", url="https://a.example.com/", secret="typed by hand")
    assert secrets.give_secret(endpoint).secret == ""
    assert endpoint.secret.reveal() == "typed by hand"


def test_a_key_pair_is_made_where_it_is_wanted_and_only_its_public_half_told() -> None:
    endpoint = make_endpoint(is_asymmetric=True)
    issued = secrets.give_secret(endpoint)
    stored = WebhookEndpoint.objects.get(pk=endpoint.pk)
    private = stored.asymmetric_key.reveal()
    assert signing.public_key_of(private) == stored.public_key == issued.public_key
    assert issued.secret == ""
    assert stored.secret.reveal() == A
    assert [entry.split(",")[0] for entry in signatures(endpoint)] == ["v1", "v1a"]


@time_machine.travel(NOW, tick=False)
def test_both_sign_until_the_overlap_ends_the_current_one_first() -> None:
    endpoint = make_endpoint()
    with time_machine.travel(NOW, tick=False) as clock:
        issued = secrets.rotate_secret(endpoint, overlap_hours=2)
        assert issued.former_until == NOW + timedelta(hours=2)
        assert endpoint.secret.reveal() == issued.secret != A
        kept = EndpointPlan.load(endpoint)
        assert len(signatures(endpoint)) == 2
        assert verifies(A, endpoint) and verifies(issued.secret, endpoint)
        key = signing.decode_secret(issued.secret)
        message = make_message()
        prepared = kept.build(message, at=NOW.timestamp())
        second = int(NOW.timestamp())
        first = signing.sign_v1(key, message.message_id, second, prepared.body)
        assert headers_of(prepared)["webhook-signature"].split(" ")[0] == first
        clock.shift(timedelta(hours=2))
        assert len(signatures(endpoint)) == 1
        assert verifies(issued.secret, endpoint) and not verifies(A, endpoint)
        # A plan that is kept knows it too, and nothing comes back when it is asked of the past.
        late = kept.build(make_message(), at=datetime.now(UTC).timestamp())
        assert " " not in headers_of(late)["webhook-signature"]


def test_without_overlap_the_old_ones_end_at_once() -> None:
    endpoint = make_endpoint()
    first = secrets.rotate_secret(endpoint)
    issued = secrets.rotate_secret(endpoint, overlap_hours=0)
    assert issued.former_until is None
    assert not WebhookFormerSecret.objects.exists()
    assert not verifies(A, endpoint) and not verifies(first.secret, endpoint)
    assert verifies(issued.secret, endpoint)


def test_ten_former_ones_may_sign_and_not_an_eleventh() -> None:
    endpoint = make_endpoint()
    for _ in range(secrets.MOST_FORMER):
        issued = secrets.rotate_secret(endpoint)
    assert len(signatures(endpoint)) == 11
    assert verifies(A, endpoint)
    with pytest.raises(InvalidInput, match="10 former ones"):
        secrets.rotate_secret(endpoint)
    assert verifies(issued.secret, endpoint)
    # A leaked one can always be ended; an expired one makes room.
    WebhookFormerSecret.objects.filter(pk=WebhookFormerSecret.objects.order_by("pk")[0].pk).update(
        expires_at=NOW
    )
    secrets.rotate_secret(endpoint)
    secrets.rotate_secret(endpoint, overlap_hours=0)
    assert len(signatures(endpoint)) == 1


def test_key_pairs_are_replaced_in_the_same_way() -> None:
    endpoint = make_endpoint(is_asymmetric=True)
    old = secrets.give_secret(endpoint).public_key
    issued = secrets.rotate_secret(endpoint, kind="v1a")
    assert issued.secret == ""
    assert issued.public_key == endpoint.public_key != old
    kinds = [entry.split(",")[0] for entry in signatures(endpoint)]
    assert kinds == ["v1", "v1a", "v1a"]
    plan = EndpointPlan.load(endpoint)
    message = make_message()
    prepared = plan.build(message, at=5)
    content = signing.signed_bytes(message.message_id, 5, prepared.body)
    header = headers_of(prepared)["webhook-signature"]
    for public in (old, issued.public_key):
        assert signing.verify_v1a([signing.decode_public_key(public)], header, content)
    # Switched off, neither signs.
    WebhookEndpoint.objects.update(is_asymmetric=False)
    assert len(signatures(endpoint)) == 1


def test_a_text_of_the_original_signs_on_through_the_overlap() -> None:
    endpoint = make_endpoint(secret="chosen by a person")
    issued = secrets.rotate_secret(endpoint)
    assert verifies(b"chosen by a person", endpoint) and verifies(issued.secret, endpoint)


def test_an_endpoint_without_a_secret_gets_its_first_one() -> None:
    endpoint = make_endpoint(secret="")
    issued = secrets.rotate_secret(endpoint)
    assert issued.former_until is None
    assert len(signatures(endpoint)) == 1
    assert verifies(issued.secret, endpoint)


@pytest.mark.parametrize("hours", [-1, 721, float("nan"), float("inf"), "many", None, [1]])
def test_an_overlap_is_bounded(hours: Any) -> None:
    endpoint = make_endpoint()
    with pytest.raises(InvalidInput, match="overlap_hours"):
        secrets.rotate_secret(endpoint, overlap_hours=hours)
    assert endpoint.secret.reveal() == A


@pytest.mark.parametrize("kind", ["v2", "", "v1a"])
def test_only_a_kind_that_signs_can_be_rotated(kind: str) -> None:
    with pytest.raises(InvalidInput, match="kind"):
        secrets.rotate_secret(make_endpoint(), kind=kind)
    assert not WebhookFormerSecret.objects.exists()


def test_a_rotation_is_in_the_trail_without_any_value() -> None:
    endpoint = make_endpoint(business="branch-7", is_asymmetric=True)
    private = (secrets.give_secret(endpoint), endpoint.asymmetric_key.reveal())[1]
    issued = secrets.rotate_secret(endpoint)
    secrets.rotate_secret(endpoint, kind=SigningKind.ASYMMETRIC, overlap_hours=0)
    later, first = AuditEntry.objects.filter(action="webhook.secret_rotated")
    assert (first.fields, first.business) == (["secret"], "branch-7")
    assert later.fields == ["asymmetric_key", "public_key"]
    told = json.dumps([[entry.fields, entry.detail, entry.object_name] for entry in (first, later)])
    for secret in (A, issued.secret, private):
        assert secret[6:] not in told
    assert "signs until" in first.detail and "ended at once" in later.detail


def test_a_rotation_that_is_rolled_back_leaves_everything() -> None:
    endpoint = make_endpoint()
    with pytest.raises(RuntimeError), transaction.atomic():
        secrets.rotate_secret(WebhookEndpoint.objects.get())
        raise RuntimeError
    assert verifies(A, endpoint)
    assert not AuditEntry.objects.filter(action="webhook.secret_rotated").exists()
    assert not WebhookFormerSecret.objects.exists()


def test_two_at_once_come_one_after_the_other() -> None:
    endpoint = make_endpoint()

    def rotate(_: int) -> secrets.Issued:
        try:
            return secrets.rotate_secret(WebhookEndpoint.objects.get(pk=endpoint.pk))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        issued = list(threads.map(rotate, range(8)))
    # Nobody was told a secret that never signed, and none was lost.
    assert len(signatures(endpoint)) == 9
    assert all(verifies(each.secret, endpoint) for each in issued)
    assert verifies(A, endpoint)


def test_only_what_signs_no_more_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "PURGE_BATCH", 2)
    endpoint = make_endpoint()
    for _ in range(6):
        secrets.rotate_secret(endpoint)
    old = WebhookFormerSecret.objects.order_by("pk").values_list("pk", flat=True)[:5]
    WebhookFormerSecret.objects.filter(pk__in=list(old)).update(expires_at=NOW)
    assert len(signatures(endpoint)) == 2
    assert secrets.drop_expired() == 5
    assert secrets.drop_expired() == 0
    assert len(signatures(endpoint)) == 2


def test_every_secret_of_an_endpoint_is_stored_as_ciphertext() -> None:
    known = {column.label for column in encrypted_columns()}
    names = (
        "secret",
        "asymmetric_key",
        "static_headers",
        "password",
        "client_secret",
        "client_key",
    )
    assert {f"integrations.WebhookEndpoint.{name}" for name in names} <= known
    assert "integrations.WebhookFormerSecret.key" in known
    endpoint = make_endpoint(**dict.fromkeys(names, "a plain text"))
    secrets.rotate_secret(endpoint)
    with connection.cursor() as cursor:
        for table in ("integrations_webhookendpoint", "integrations_webhookformersecret"):
            cursor.execute(f"SELECT * FROM {table}")
            assert "a plain text" not in repr(cursor.fetchall())


def test_another_encryption_key_leaves_every_signature_as_it_was(settings: Any) -> None:
    settings.INTEGRATIONS_STAMP_SECONDS = 0.01
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    settings.CYPHER_KEY = old
    keyring.forget()
    static = json.dumps({"X-Api-Key": "k"})
    endpoint = make_endpoint(is_asymmetric=True, static_headers=static)
    secrets.give_secret(endpoint)
    secrets.rotate_secret(endpoint)
    secrets.rotate_secret(endpoint, kind="v1a")
    message = make_message()

    def built() -> list[str]:
        plan = EndpointPlan.load(WebhookEndpoint.objects.get(pk=endpoint.pk))
        return plan.build(message, at=1767225600).headers

    before = built()
    settings.CYPHER_KEY = f"{new},{old}"
    keyring.forget()
    call_command("rotate_encryption_key", "--reencrypt", stdout=io.StringIO())
    assert KeyRotation.objects.get().stage == "verified"
    settings.CYPHER_KEY = new
    keyring.forget()
    assert built() == before
    assert next(line for line in before if "signature" in line).count("v1") == 4
