"""A ModelSerializer of settings: secrets go in and never come out."""

from __future__ import annotations

import pytest
from rest_framework import serializers

from integrations.crypto import MASK
from integrations.models import MpesaSettings
from tests.hunt.plants import planted


class EverySetting(serializers.ModelSerializer[MpesaSettings]):
    """What a host project would write without thinking of secrets."""

    class Meta:
        model = MpesaSettings
        fields = "__all__"


@pytest.fixture
def row(db: None) -> MpesaSettings:
    made = MpesaSettings.objects.create(
        consumer_key=planted("consumer key"), passkey=planted("passkey"), short_code="174379"
    )
    return MpesaSettings.objects.get(pk=made.pk)


def test_reading_shows_neither_secret_nor_mask(row: MpesaSettings) -> None:
    data = EverySetting(row).data
    assert not set(MpesaSettings.secret_fields()) & set(data)
    for text in (planted("consumer key"), row.consumer_key.token, MASK):
        assert text not in str(data)


def test_a_round_trip_keeps_every_secret(row: MpesaSettings) -> None:
    token = row.consumer_key.token
    serializer = EverySetting(row, data=dict(EverySetting(row).data))
    serializer.is_valid(raise_exception=True)
    serializer.save()
    again = MpesaSettings.objects.get(pk=row.pk)
    assert again.consumer_key.token == token
    assert again.passkey.reveal() == planted("passkey")


def test_a_sent_secret_is_stored_encrypted_and_blank_clears(row: MpesaSettings) -> None:
    serializer = EverySetting(row, data={"consumer_key": "a-new-key", "passkey": ""}, partial=True)
    serializer.is_valid(raise_exception=True)
    serializer.save()
    again = MpesaSettings.objects.get(pk=row.pk)
    assert again.consumer_key.reveal() == "a-new-key"
    assert not again.passkey


@pytest.mark.parametrize("mask", [MASK, f"{MASK}4f2a", str("x" + MASK)])
def test_the_mask_is_refused(row: MpesaSettings, mask: str) -> None:
    serializer = EverySetting(row, data={"passkey": mask}, partial=True)
    assert not serializer.is_valid()
    assert "This is the mask shown in place of a secret." in str(serializer.errors["passkey"])
