"""Key rotation from the admin: for superusers, with confirmation, and never a key in a page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from integrations.admin import rotation as rotation_page
from integrations.config import rotation as rotations
from integrations.crypto.keys import environment_keys
from integrations.models import AppSettings, AuditEntry, KeyRotation, MpesaSettings
from integrations.models import RotationStage as Stage
from integrations.work import WorkState
from tests.admin.page import assert_holds_no_part
from tests.config.rotation.stock import finish, go_on, newest
from tests.hunt.plants import planted

PAGE = "/admin/integrations/keyrotation/"
STEPS = ("start", "reencrypt", "retire", "resume")


@pytest.fixture
def secrets(transactional_db: None) -> str:
    """Three stored secrets under the environment's key."""
    MpesaSettings.objects.create(
        consumer_key=planted("consumer key"),
        consumer_secret=planted("consumer secret"),
        passkey=planted("passkey"),
    )
    return environment_keys()[0]


def confirm(client: Client, step: str, **values: str) -> str:
    """Press the button of a step's confirmation, and read the page that follows."""
    response = client.post(f"{PAGE}{step}/", {"confirmed": "yes", **values}, follow=True)
    return str(response.content.decode())


def ended(client: Client) -> KeyRotation:
    """A rotation into the database, done."""
    confirm(client, "start", accepted="yes")
    rotation = finish()
    assert rotation.stage == Stage.VERIFIED
    return rotation


def test_a_rotation_from_start_to_retired(secrets: str, admin_client: Client) -> None:
    assert "No key was rotated yet" in admin_client.get(PAGE).content.decode()
    asked = admin_client.get(f"{PAGE}start/").content.decode()
    assert "3 stored secrets are put under it" in asked
    assert "The key lives in CYPHER_KEY alone today." in asked
    assert not KeyRotation.objects.exists()

    html = confirm(admin_client, "start", accepted="yes")
    assert "The rotation has started." in html
    assert "New key known: it decrypts" in html
    assert 'data-refresh="3"' in html
    assert "Rotate the key" not in html

    rotation = finish()
    assert rotation.stage == Stage.VERIFIED
    done = admin_client.get(PAGE).content.decode()
    assert "everything that can be read is under the first key" in done
    assert "data-refresh=" not in done
    assert "Retire the old keys" in done
    new_key = rotations.present_keys()[0]
    assert MpesaSettings.objects.get().passkey.reveal() == planted("passkey")

    assert (
        "Only then are the old keys removed." in admin_client.get(f"{PAGE}retire/").content.decode()
    )
    assert "The old keys are being retired." in confirm(admin_client, "retire")
    assert finish().stage == Stage.RETIRED
    for text in (html, done, asked, admin_client.get(PAGE).content.decode()):
        assert_holds_no_part(text, new_key, secrets, AppSettings.objects.get().cypher_key.token)
    actors = set(
        AuditEntry.objects.filter(
            action__in=("encryption_key.announced", "encryption_key.retiring_started")
        ).values_list("actor_name", flat=True)
    )
    assert actors == {"admin"}


def test_the_count_and_the_progress_are_shown(secrets: str, admin_client: Client) -> None:
    confirm(admin_client, "start", accepted="yes")
    go_on()
    KeyRotation.objects.update(stage=Stage.REENCRYPTING, passes=1, total=40, seen=10, changed=7)
    html = admin_client.get(PAGE).content.decode()
    assert "10 of 40 looked at (25 %), 7 re-encrypted" in html
    assert '<progress class="mt-3 w-full" max="40" value="10"' in html


def test_where_the_key_is_in_the_environment_the_box_must_be_ticked(
    secrets: str, admin_client: Client
) -> None:
    html = confirm(admin_client, "start")
    assert "The key lives in CYPHER_KEY, which no command can change for you." in html
    assert not KeyRotation.objects.exists()


def test_a_second_rotation_needs_no_box(secrets: str, admin_client: Client) -> None:
    ended(admin_client)
    before = rotations.present_keys()[0]
    assert 'name="accepted"' not in admin_client.get(f"{PAGE}start/").content.decode()
    confirm(admin_client, "start")
    assert finish().stage == Stage.VERIFIED
    assert rotations.present_keys()[0] != before


def test_two_at_once_are_refused_in_words(secrets: str, admin_client: Client) -> None:
    confirm(admin_client, "start", accepted="yes")
    assert "A key rotation is under way already" in confirm(admin_client, "start")
    assert "A key rotation is under way already" in confirm(admin_client, "reencrypt")
    assert KeyRotation.objects.count() == 1


def test_what_is_not_there_can_not_be_retired(secrets: str, admin_client: Client) -> None:
    assert "There is no finished rotation" in confirm(admin_client, "retire")


def test_reencryption_under_the_first_key(secrets: str, admin_client: Client) -> None:
    assert "The re-encryption has started." in confirm(admin_client, "reencrypt")
    assert finish().stage == Stage.VERIFIED


def test_what_was_given_up_goes_on(secrets: str, admin_client: Client) -> None:
    confirm(admin_client, "start", accepted="yes")
    KeyRotation.objects.update(work_state=WorkState.DEAD, work_error="The disk was full.")
    html = admin_client.get(PAGE).content.decode()
    assert "The disk was full." in html
    assert f'href="{PAGE}resume/"' in html
    assert "data-refresh=" not in html
    confirm(admin_client, "resume")
    assert newest().work_state == WorkState.DUE
    assert AuditEntry.objects.get(action="encryption_key.resumed").actor_name == "admin"


def test_unreadable_values_are_told_and_must_be_accepted(
    secrets: str, admin_client: Client
) -> None:
    rotation = ended(admin_client)
    KeyRotation.objects.filter(pk=rotation.pk).update(unreadable=2)
    html = admin_client.get(f"{PAGE}retire/").content.decode()
    assert "2 stored values open with no key." in html
    assert 'name="accepted" value="yes" required' in html
    confirm(admin_client, "retire", accepted="yes")
    assert newest().accepts_unreadable is True


def test_verifying_counts_and_changes_nothing(secrets: str, admin_client: Client) -> None:
    html = admin_client.post(f"{PAGE}verify/").content.decode()
    assert "The first key alone opens everything" in html
    assert "1 stored, 1 under the first key" in html
    entry = AuditEntry.objects.get(action="encryption_key.surveyed")
    assert entry.actor_name == "admin"
    assert admin_client.get(f"{PAGE}verify/").status_code == 302
    assert AuditEntry.objects.filter(action="encryption_key.surveyed").count() == 1


def test_verifying_very_much_is_left_to_the_command(
    secrets: str, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation_page, "VERIFIED_HERE", 2)
    html = admin_client.post(f"{PAGE}verify/", follow=True).content.decode()
    assert "verify them with manage.py rotate_encryption_key --verify" in html


def test_superusers_alone(secrets: str, client_of: Callable[..., Client]) -> None:
    staff = client_of("view_keyrotation", "change_keyrotation", businesses=("*",))
    assert staff.get(PAGE).status_code == 403
    assert staff.post(f"{PAGE}verify/").status_code == 403
    assert "/login/" in Client().get(PAGE)["Location"]
    for step in STEPS:
        assert staff.get(f"{PAGE}{step}/").status_code == 403
        assert staff.post(f"{PAGE}{step}/", {"confirmed": "yes"}).status_code == 403
        assert "/login/" in Client().post(f"{PAGE}{step}/")["Location"]
    assert not KeyRotation.objects.exists()


def test_a_post_needs_a_csrf_token_and_the_confirmation(
    secrets: str, admin_user: User, admin_client: Client
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(f"{PAGE}reencrypt/", {"confirmed": "yes"}).status_code == 403
    assert admin_client.post(f"{PAGE}reencrypt/").status_code == 200
    assert not KeyRotation.objects.exists()
