"""The second tier: ciphertext only, believed only with a signature, missed without harm."""

from __future__ import annotations

import base64
import json
import logging
import pickle
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.core.cache.backends.locmem import LocMemCache

from integrations.config import clear_cache, get_snapshot
from integrations.config.shared import shared
from integrations.crypto import keyring
from integrations.models import MpesaSettings
from integrations.services import IntegrationConfigService as Service
from tests.config.conftest import VALUES

SECRETS = [VALUES[name] for name in ("consumer_key", "consumer_secret", "passkey")]
pytestmark = pytest.mark.django_db(transaction=True)


def contents() -> dict[str, Any]:
    """Everything that lies in the cache, by key as `cache.get` takes it."""
    backend = caches["default"]
    if isinstance(backend, LocMemCache):
        return {key.split(":", 2)[2]: pickle.loads(value) for key, value in backend._cache.items()}
    return {key: backend.get(key) for key in backend.keys("*")}  # type: ignore[attr-defined]


def payload(value: str) -> str:
    """The JSON before the signature."""
    encoded = value.partition(":")[0]
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()


def with_payload(value: str, old: str, new: str) -> str:
    text = payload(value)
    assert old in text
    encoded = base64.urlsafe_b64encode(text.replace(old, new).encode()).decode().rstrip("=")
    return encoded + ":" + value.partition(":")[2]


@pytest.fixture(autouse=True)
def tier_is_up(monkeypatch):
    monkeypatch.setattr(shared, "_paused_until", 0.0)
    monkeypatch.setattr(shared, "_is_away", False)


def test_the_cache_holds_ciphertext_and_no_plaintext(row):
    Service.get_mpesa_config()
    found = contents()
    assert found
    for key, value in found.items():
        assert isinstance(value, str)
        for secret in SECRETS:
            assert secret not in key + value + payload(value)
        assert json.loads(payload(value))["tokens"]["passkey"].startswith("gAAAAA")


def forge(change) -> int:
    """Change what lies in the cache under each key; returns how many."""
    found = contents()
    for key, value in found.items():
        cache.set(key, change(value))
    clear_cache()
    keyring.encrypt("x")
    return len(found)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: with_payload(value, "600000", "666666"),
        lambda value: with_payload(value, "sandbox.safaricom.co.ke:443", "evil.example:443"),
        lambda value: value[:-3] + "abc",
        lambda value: json.dumps({"values": {"short_code": "666666"}, "tokens": {}}),
        lambda value: "nonsense",
        lambda value: "",
        lambda value: {"values": {"short_code": "666666"}},
        lambda value: 5,
        lambda value: value.partition(":")[0],
    ],
)
def test_a_forged_entry_is_ignored(row, change, caplog):
    Service.get_mpesa_config()
    assert forge(change) == 1
    assert Service.get_mpesa_config()["short_code"] == "600000"


def test_an_entry_of_one_business_is_not_believed_for_another(row):
    MpesaSettings.objects.create(**{**VALUES, "short_code": "500000"}, business="b")
    Service.get_mpesa_config()
    mine = contents()
    Service.get_mpesa_config(business="b")
    ((other_key, _),) = {k: v for k, v in contents().items() if k not in mine}.items()
    cache.set(other_key, next(iter(mine.values())))
    clear_cache()
    assert Service.get_mpesa_config(business="b")["short_code"] == "500000"


def test_an_old_entry_is_not_believed_under_a_new_stamp(row):
    Service.get_mpesa_config()
    ((_, old),) = contents().items()
    row.short_code = "600001"
    row.save()
    Service.get_mpesa_config()
    for key in contents():
        cache.set(key, old)
    clear_cache()
    assert Service.get_mpesa_config()["short_code"] == "600001"


def test_both_tiers_answer_the_same(row):
    row.confirm_above = 5000
    row.business = "Mama's shop: 1 % é"
    row.save()
    from_row = Service.get_mpesa_config(business=row.business)
    hosts = get_snapshot("mpesa", row.business).hosts
    clear_cache()
    assert Service.get_mpesa_config(business=row.business) == from_row
    assert get_snapshot("mpesa", row.business).hosts == hosts
    assert get_snapshot("mpesa", row.business).row_id == row.pk


@pytest.fixture
def redis_away(settings: Any) -> None:
    """A Redis that refuses connections, as Django's own settings would name it."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
            "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.5, "SOCKET_TIMEOUT": 0.5},
        }
    }


def test_without_redis_the_database_answers_and_one_line_is_logged(
    row, redis_away, caplog, pass_time
):
    clear_cache()
    with caplog.at_level(logging.DEBUG, "integrations.config"):
        for number in range(600001, 600006):
            assert Service.get_mpesa_config()["consumer_key"] == VALUES["consumer_key"]
            MpesaSettings.objects.update(short_code=str(number))
            assert Service.get_mpesa_config()["short_code"] == str(number)
            pass_time(6)
    lines = [r for r in caplog.records if r.name == "integrations.config.shared"]
    assert len(lines) == 1
    assert "does not answer" in lines[0].getMessage()


def test_a_redis_that_came_back_is_used_again(row, settings, pass_time, caplog):
    with caplog.at_level(logging.DEBUG, "integrations.config"):
        good = settings.CACHES
        settings.CACHES = {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": "redis://127.0.0.1:1/0",
            }
        }
        Service.get_mpesa_config()
        settings.CACHES = good
        pass_time(6)
        row.save()
        Service.get_mpesa_config()
    assert len(contents()) == 1


def test_a_snapshot_in_a_pickle_carries_no_revealed_secret(row):
    snapshot = get_snapshot("mpesa")
    assert snapshot.as_dict()["passkey"] == VALUES["passkey"]
    dumped = pickle.dumps(snapshot)
    for secret in SECRETS:
        assert secret.encode() not in dumped
        assert secret not in repr(snapshot)
    assert pickle.loads(dumped).as_dict() == snapshot.as_dict()
