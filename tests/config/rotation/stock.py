"""What the tests of rotation store, and how they bring the stages about."""

from __future__ import annotations

from django.db import connection
from django.utils import timezone

from integrations import work
from integrations.config import rotation as rotations
from integrations.models import AppSettings, InboundCallback, KeyRotation
from integrations.services import IntegrationConfigService as Service
from tests.config.conftest import VALUES
from tests.crypto.app.models import Note

SECRETS = {name: VALUES[name] for name in ("consumer_key", "consumer_secret", "passkey")}


def fill() -> None:
    """Secrets of several kinds, beside a settings row."""
    for number in range(5):
        InboundCallback.objects.create(route="stk", body=f"body {number}")
        Note.objects.create(title=str(number), secret=f"note {number}")
    AppSettings.objects.create(app_key="the app key")


def everything_is_readable() -> None:
    config = Service.get_mpesa_config(decrypt_secrets=True)
    assert {name: config[name] for name in SECRETS} == SECRETS
    bodies = {callback.body.reveal() for callback in InboundCallback.objects.all()}
    assert bodies == {f"body {number}" for number in range(5)}
    assert {note.secret.reveal() for note in Note.objects.all()} == {f"note {n}" for n in range(5)}
    assert AppSettings.objects.get().app_key.reveal() == "the app key"


def wait_no_longer() -> None:
    waiting = KeyRotation.objects.exclude(next_attempt_at=None)
    waiting.update(next_attempt_at=timezone.now(), not_before=None)


def go_on() -> KeyRotation:
    """Do what is due, once the waiting is over."""
    wait_no_longer()
    work.drain(rotations.QUEUE, budget_seconds=5)
    return newest()


def newest() -> KeyRotation:
    found = rotations.last_rotation()
    assert found is not None
    return found


def finish() -> KeyRotation:
    for _ in range(8):
        if not go_on().is_active:
            break
    return newest()


def first_key() -> str:
    return rotations.present_keys()[0]


def start(**options: object) -> KeyRotation:
    return rotations.start_rotation(into_database=True, **options)  # type: ignore[arg-type]


def write_raw(title: str, token: str) -> None:
    """Store a note's token as it is, past the field."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE host_note SET secret = %s WHERE title = %s", [token, title])
