"""Key rotation, stage by stage: what encrypts when, what is waited for, what survives a crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import models
from django.utils import timezone

from integrations import work
from integrations.config import rotation as rotations
from integrations.config.key_row import open_keys, replace_keys, stored_keys
from integrations.config.rotation import row as rotation_row
from integrations.config.rotation import steps
from integrations.crypto import encrypt_text, keyring, keys
from integrations.exceptions import ConfigurationError, DecryptionError
from integrations.models import (
    AppSettings,
    AuditEntry,
    ConfigStamp,
    KeyRotation,
    MpesaSettings,
    RotationStage,
)
from tests.config.conftest import in_thread
from tests.config.rotation.stock import (
    everything_is_readable,
    finish,
    first_key,
    go_on,
    start,
    wait_no_longer,
    write_raw,
)
from tests.crypto.app.models import HostSettings, Note

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_rotation_announces_promotes_re_encrypts_and_verifies(stock: None, settings: Any) -> None:
    old = settings.CYPHER_KEY
    start()
    announced = open_keys(stored_keys())
    assert announced[0] == old, "what encrypts has not changed yet"
    assert Fernet(old).decrypt(encrypt_text("x"))
    assert go_on().stage == RotationStage.PROMOTED
    assert open_keys(stored_keys()) == [announced[1], old]
    assert Fernet(announced[1]).decrypt(encrypt_text("x"))
    everything_is_readable()
    rotation = go_on()
    assert (rotation.stage, rotation.is_active) == (RotationStage.VERIFIED, False)
    # Three settings secrets, five bodies, five notes, the app key: each re-encrypted once.
    assert (rotation.changed, rotation.unreadable) == (14, 0)
    found = rotations.survey_all([announced[1]])
    assert all(count.total == count.first for count in found.values())
    everything_is_readable()


def test_each_stage_waits_two_stamp_intervals(stock: None, settings: Any) -> None:
    settings.INTEGRATIONS_STAMP_SECONDS = 40.0
    now = timezone.now()
    rotation = start()
    assert 80 <= (rotation.next_attempt_at - now).total_seconds() <= 85
    assert work.drain(rotations.QUEUE) == 0, "it is not due yet"
    rotation = go_on()
    assert rotation.stage == RotationStage.PROMOTED
    assert 80 <= (rotation.next_attempt_at - now).total_seconds() <= 85


def test_retiring_removes_the_old_key_and_nothing_needs_it(stock: None) -> None:
    start()
    finish()
    new = first_key()
    assert len(open_keys(stored_keys())) == 2
    rotations.start_retiring()
    rotation = finish()
    assert (rotation.stage, rotation.removed_keys.token) == (RotationStage.RETIRED, "")
    assert open_keys(stored_keys()) == [new]
    everything_is_readable()


def test_a_second_rotation_goes_from_one_key_of_the_row_to_the_next(stock: None) -> None:
    start()
    finish()
    rotations.start_retiring()
    finish()
    first = first_key()
    KeyRotation.objects.all().delete()
    rotations.start_rotation()
    finish()
    assert first_key() != first
    rotations.start_retiring()
    finish()
    assert first not in rotations.present_keys()
    everything_is_readable()


def test_what_was_stored_late_under_the_old_key_is_saved_before_that_key_is_forgotten(
    stock: None, settings: Any
) -> None:
    start()
    finish()
    new, _old = open_keys(stored_keys())
    rotations.start_rotation()
    finish()
    rotations.start_retiring()
    # Confirmed and removed; then a transaction that was open all the while commits.
    assert go_on().stage == RotationStage.RETIRING
    late = Fernet(new).encrypt(b"late").decode()
    Note.objects.create(title="late")
    in_thread(lambda: write_raw("late", late))
    with pytest.raises(DecryptionError):
        Note.objects.get(title="late").secret.reveal()
    assert finish().stage == RotationStage.RETIRED
    assert Note.objects.get(title="late").secret.reveal() == "late"
    assert new not in rotations.present_keys()


def test_retiring_first_re_encrypts_what_still_needs_the_old_key(stock: None) -> None:
    start()
    finish()
    _new, old = open_keys(stored_keys())
    write_raw("0", Fernet(old).encrypt(b"note 0").decode())
    rotations.start_retiring()
    assert finish().stage == RotationStage.RETIRED
    everything_is_readable()


def test_nothing_can_be_retired_before_a_rotation_has_ended(stock: None) -> None:
    with pytest.raises(ConfigurationError, match="no finished rotation"):
        rotations.start_retiring()
    start()
    with pytest.raises(ConfigurationError) as caught:
        rotations.start_retiring()
    assert caught.value.code == "rotation_active"


def test_there_is_one_rotation_at_a_time(stock: None, monkeypatch: Any) -> None:
    start()
    before = open_keys(stored_keys())
    # Two starts that both found nothing under way: the database decides.
    monkeypatch.setattr(rotation_row, "active_rotation", lambda: None)
    with pytest.raises(Exception, match=r"key_rotation_one_active|UNIQUE"):
        rotations.start_reencryption()
    assert open_keys(stored_keys()) == before


def test_a_key_that_lives_in_the_environment_is_not_moved_without_being_told(
    stock: None, settings: Any
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rotations.start_rotation()
    assert caught.value.code == "environment_key"
    assert settings.CYPHER_KEY not in str(caught.value)
    assert not KeyRotation.objects.exists()
    assert not AppSettings.objects.get().cypher_key


def test_re_encryption_follows_a_changed_environment(
    stock: None,
    settings: Any,
    set_environment_key: Callable[[str], None],
    new_key: Any,
) -> None:
    old, new = settings.CYPHER_KEY, new_key()
    set_environment_key(f"{new},{old}")
    rotations.start_reencryption()
    assert finish().stage == RotationStage.VERIFIED
    with pytest.raises(ConfigurationError, match="to its first key alone"):
        rotations.start_retiring()
    set_environment_key(new)
    rotations.start_retiring()
    assert finish().stage == RotationStage.RETIRED
    everything_is_readable()


def test_re_encryption_wraps_the_key_row_anew_when_the_environment_changes(
    stock: None,
    settings: Any,
    set_environment_key: Callable[[str], None],
    new_key: Any,
) -> None:
    start()
    finish()
    inner, outer, old = first_key(), new_key(), settings.CYPHER_KEY
    set_environment_key(f"{outer},{old}")
    KeyRotation.objects.all().delete()
    rotations.start_reencryption()
    finish()
    assert Fernet(outer).decrypt(AppSettings.objects.get().cypher_key.token)
    replace_keys(open_keys(stored_keys()), [inner])
    set_environment_key(outer)
    everything_is_readable()


def test_the_new_key_may_be_given_but_not_one_that_is_known(
    stock: None, new_key: Any, settings: Any
) -> None:
    for bad, code in (("short", "bad_key"), (settings.CYPHER_KEY, "bad_key")):
        with pytest.raises(ConfigurationError) as caught:
            start(new_key=bad)
        assert caught.value.code == code and bad not in str(caught.value)
    given = new_key()
    start(new_key=given)
    finish()
    assert first_key() == given


def test_a_key_row_changed_by_hand_while_the_new_key_waits_ends_the_rotation(stock: None) -> None:
    start()
    row = AppSettings.objects.get()
    row.cypher_key = ""
    row.save()
    rotation = go_on()
    assert (rotation.stage, rotation.is_active) == (RotationStage.ABANDONED, False)
    everything_is_readable()


def test_a_change_of_the_key_row_in_the_same_moment_is_not_overwritten(
    stock: None,
    new_key: Any,
    monkeypatch: Any,
) -> None:
    start()
    real, typed = steps.database_keys, new_key()

    def before_somebody_saves() -> list[str]:
        monkeypatch.setattr(steps, "database_keys", real)
        found = real()
        row = AppSettings.objects.get()
        row.cypher_key = ",".join([*found, typed])
        row.save()
        return found

    monkeypatch.setattr(steps, "database_keys", before_somebody_saves)
    rotation = go_on()
    # Nothing is overwritten; the step comes again.
    assert (rotation.stage, rotation.work_state) == (RotationStage.ANNOUNCED, "due")
    assert "changed by somebody else" in rotation.work_error
    assert finish().stage == RotationStage.VERIFIED
    assert typed in rotations.present_keys()


def test_whoever_lost_the_claim_undoes_its_step(stock: None) -> None:
    start()
    wait_no_longer()
    queue = work.get_queue(rotations.QUEUE)
    (held,) = work.claim_rows(queue, limit=1).rows
    KeyRotation.objects.update(claim_token="somebody else's")
    before = open_keys(stored_keys())
    assert rotations.advance(held) == work.Kept()
    assert open_keys(stored_keys()) == before
    assert KeyRotation.objects.get().stage == RotationStage.ANNOUNCED


def test_a_pass_goes_on_where_it_was_interrupted(stock: None, monkeypatch: Any) -> None:
    start(batch=2)
    go_on()
    seen: list[tuple[str, Any]] = []
    real = steps.reencrypt_batch

    def interrupted(column: Any, ring: Any, after: Any, size: int) -> Any:
        seen.append((column.label, after))
        if len(seen) == 6:
            raise RuntimeError("killed")
        return real(column, ring, after, size)

    monkeypatch.setattr(steps, "reencrypt_batch", interrupted)
    go_on()
    assert KeyRotation.objects.get().work_error == "RuntimeError: killed"
    assert finish().stage == RotationStage.VERIFIED
    assert seen[6] == seen[5], "the batch that failed comes first"
    everything_is_readable()


def test_unreadable_values_are_counted_and_do_not_stop_the_rest(stock: None, new_key: Any) -> None:
    foreign = Fernet(new_key()).encrypt(b"foreign").decode()
    write_raw("0", foreign)
    start()
    rotation = finish()
    assert (rotation.stage, rotation.unreadable) == (RotationStage.VERIFIED, 1)
    assert Note.objects.get(title="0").secret.token == foreign


def test_the_end_tells_every_cache_and_the_trail_tells_who_did_what(stock: None) -> None:
    start()
    go_on()
    stamp = ConfigStamp.objects.read()
    finish()
    assert ConfigStamp.objects.read() != stamp
    actions = AuditEntry.objects.filter(action__startswith="encryption_key")
    assert list(actions.order_by("pk").values_list("action", flat=True)) == [
        "encryption_key.announced",
        "encryption_key.promoted",
        "encryption_key.verified",
    ]
    told = " ".join(actions.values_list("detail", flat=True))
    assert all(key not in told for key in rotations.present_keys())


def test_the_rotation_row_holds_no_key(stock: None) -> None:
    start()
    values = str(KeyRotation.objects.values().get())
    assert all(key not in values for key in rotations.present_keys())


def test_re_encryption_confirms_no_host_and_no_date_that_nobody_confirmed(stock: None) -> None:
    models.QuerySet(MpesaSettings).update(sandbox_url="https://elsewhere.example")
    before = MpesaSettings.objects.values("secret_hosts", "secrets_saved", "updated_at").get()
    start()
    finish()
    row = MpesaSettings.objects.get()
    assert row.secret_hosts != row.outbound_hosts()
    assert MpesaSettings.objects.values(*before).get() == before


@pytest.fixture
def host(settings: Any) -> HostSettings:
    settings.INTEGRATIONS_APP_SETTINGS_MODEL = "host.HostSettings"
    keyring.forget()
    return HostSettings.objects.create()


def test_a_hosts_plain_column_gets_its_keys_wrapped(
    stock: None, host: HostSettings, settings: Any
) -> None:
    start()
    finish()
    host.refresh_from_db()
    assert (
        Fernet(settings.CYPHER_KEY).decrypt(host.cypher_key).decode().split(",")[0] == first_key()
    )
    rotations.start_retiring()
    finish()
    everything_is_readable()


def test_a_hosts_column_that_is_too_short_is_named_before_anything_changes(
    stock: None, host: HostSettings, monkeypatch: Any
) -> None:
    monkeypatch.setattr(HostSettings._meta.get_field("cypher_key"), "max_length", 100)
    with pytest.raises(ConfigurationError, match=r"HostSettings.cypher_key holds 100 characters"):
        start()
    assert not KeyRotation.objects.exists()
    host.refresh_from_db()
    assert host.cypher_key == ""


def test_a_host_model_without_a_row_is_named(stock: None, host: HostSettings) -> None:
    HostSettings.objects.all().delete()
    with pytest.raises(ConfigurationError, match="has no row"):
        start()


@pytest.fixture
def published(new_key: Any, monkeypatch: Any) -> str:
    """Stands for the key that the original published; only its digest is known here."""
    import hashlib

    key: str = new_key()
    monkeypatch.setattr(keys, "PUBLISHED_KEY_DIGEST", hashlib.sha256(key.encode()).hexdigest())
    return key


@pytest.fixture
def original(stock: None, host: HostSettings, published: str) -> HostSettings:
    """An installation of the original: its key row and its tokens use the published key."""
    for note in Note.objects.order_by("pk")[:3]:
        write_raw(note.title, Fernet(published).encrypt(note.secret.reveal().encode()).decode())
    models.QuerySet(HostSettings).update(cypher_key=published)
    keyring.forget()
    return host


def test_the_published_key_serves_nothing_until_it_is_moved_away_from(
    original: HostSettings, published: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Note.objects.get(title="0").secret.reveal()
    assert caught.value.code == "published_key"
    assert "--from-legacy" in str(caught.value)


def test_what_the_published_key_opens_is_put_under_a_key_of_ones_own(
    original: HostSettings, published: str, settings: Any
) -> None:
    seen: list[int] = []
    rotation = rotations.migrate_legacy(
        published, batch=2, report=lambda row: seen.append(row.seen)
    )
    assert (rotation.stage, rotation.changed, rotation.unreadable) == ("verified", 3, 0)
    assert seen, "progress is told"
    original.refresh_from_db()
    assert original.cypher_key == ""
    assert first_key() == settings.CYPHER_KEY
    everything_is_readable()


def test_the_published_key_is_accepted_once(original: HostSettings, published: str) -> None:
    rotations.migrate_legacy(published, batch=500)
    with pytest.raises(ConfigurationError) as caught:
        rotations.migrate_legacy(published, batch=500)
    assert caught.value.code == "legacy_done"


def test_an_interrupted_move_from_the_published_key_is_repeated(
    original: HostSettings, published: str
) -> None:
    def die(row: KeyRotation) -> None:
        if row.changed:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotations.migrate_legacy(published, batch=2, report=die)
    assert work.drain(rotations.QUEUE) == 0, "no worker has the key, so none takes it up"
    rotations.migrate_legacy(published, batch=2)
    everything_is_readable()


def test_only_the_published_key_is_taken_as_legacy(
    stock: None, new_key: Any, published: str
) -> None:
    with pytest.raises(ConfigurationError, match="not the published key"):
        rotations.migrate_legacy(new_key(), batch=500)


def test_leaving_the_published_key_needs_a_key_of_ones_own(
    original: HostSettings,
    published: str,
    settings: Any,
    set_environment_key: Any,
) -> None:
    settings.CYPHER_DEV_KEY_FILE = None
    set_environment_key("")
    with pytest.raises(ConfigurationError, match="new key of your own first"):
        rotations.migrate_legacy(published, batch=500)
    original.refresh_from_db()
    assert original.cypher_key == published


def test_a_bare_row_is_refused_with_the_remedy(
    stock: None, set_environment_key: Any, new_key: Any
) -> None:
    models.QuerySet(AppSettings).update(cypher_key="")
    set_environment_key(new_key())
    with pytest.raises(ConfigurationError):
        replace_keys(["not there"], [new_key()])


def test_a_move_that_found_nothing_does_not_use_the_published_key_up(
    stock: None, published: str
) -> None:
    assert rotations.migrate_legacy(published, batch=500).stage == RotationStage.ABANDONED
    write_raw("0", Fernet(published).encrypt(b"note 0").decode())
    assert rotations.migrate_legacy(published, batch=500).stage == RotationStage.VERIFIED
    everything_is_readable()


def test_nothing_of_the_published_key_is_retired_and_no_other_rotation_takes_its_turn(
    original: HostSettings, published: str
) -> None:
    def die(row: KeyRotation) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotations.migrate_legacy(published, batch=2, report=die)
    with pytest.raises(ConfigurationError, match="--from-legacy"):
        rotations.start_reencryption()
    rotations.migrate_legacy(published, batch=2)
    with pytest.raises(ConfigurationError, match="no finished rotation"):
        rotations.start_retiring()
    rotations.start_reencryption()
    with pytest.raises(ConfigurationError):
        rotations.migrate_legacy(published, batch=2)
