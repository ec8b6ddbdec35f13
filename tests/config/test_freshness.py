"""The stamp: who sees a change, and when."""

from __future__ import annotations

import threading

import pytest
from cryptography.fernet import MultiFernet
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction

from integrations.crypto import keyring
from integrations.models import AppSettings, ConfigStamp, Integrations, MpesaSettings
from integrations.services import IntegrationConfigService as Service
from tests.config.conftest import VALUES, change_as_another_process, in_thread

pytestmark = pytest.mark.django_db(transaction=True)


def code() -> str:
    return str(Service.get_mpesa_config()["short_code"])


class Undone(Exception):
    pass


# --- one's own change -----------------------------------------------------------------------


def by_save(row):
    row.short_code = "600001"
    row.save()


def by_update_fields(row):
    row.short_code = "600001"
    row.save(update_fields=["short_code"])


def by_update(row):
    MpesaSettings.objects.filter(pk=row.pk).update(short_code="600001")


def by_bulk_update(row):
    row.short_code = "600001"
    MpesaSettings.objects.bulk_update([row], ["short_code"])


def by_update_or_create(row):
    MpesaSettings.objects.update_or_create({"short_code": "600001"}, pk=row.pk)


WAYS = [by_save, by_update_fields, by_update, by_bulk_update, by_update_or_create]


@pytest.mark.parametrize("change", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("is_atomic", [True, False])
def test_ones_own_change_is_seen_at_once(row, change, is_atomic):
    assert code() == "600000"
    if is_atomic:
        with transaction.atomic():
            change(row)
            assert code() == "600001"
    else:
        change(row)
    assert code() == "600001"
    assert in_thread(code) == "600001"


def test_deleting_is_seen_at_once(row):
    assert Service.is_mpesa_configured()
    row.delete()
    assert not Service.is_mpesa_configured()
    MpesaSettings.objects.bulk_create([MpesaSettings(**VALUES)])
    assert Service.is_mpesa_configured()
    MpesaSettings.objects.all().delete()
    assert not Service.is_mpesa_configured()


def test_deleting_the_integration_takes_its_settings_with_it_at_once(row):
    row.integration = Integrations.objects.create()
    row.save()
    assert Service.is_mpesa_configured()
    row.integration.delete()
    assert not Service.is_mpesa_configured()


def test_a_loaded_dump_is_seen_at_once(row, tmp_path):
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "integrations.MpesaSettings", output=str(dump), verbosity=0)
    by_update(row)
    assert code() == "600001"
    call_command("loaddata", str(dump), verbosity=0)
    assert code() == "600000"


def test_an_update_of_nothing_changes_no_stamp(row):
    before = ConfigStamp.objects.read()
    assert MpesaSettings.objects.filter(business="nobody").update(short_code="1") == 0
    assert ConfigStamp.objects.read() == before


# --- transactions ---------------------------------------------------------------------------


@pytest.mark.parametrize("is_cold", [True, False])
def test_a_change_is_invisible_to_others_before_its_commit(row, is_cold):
    if connection.vendor == "sqlite":
        row.refresh_from_db()
    with transaction.atomic():
        by_save(row)
        if is_cold:
            cache.clear()
        assert code() == "600001"
        # The reader stores what it reads, under the stamp that it sees.
        assert in_thread(code) == "600000"
        assert code() == "600001"
    assert in_thread(code) == code() == "600001"


def test_a_rollback_leaves_nothing_behind(row):
    assert code() == "600000"
    before = ConfigStamp.objects.read()
    with pytest.raises(Undone), transaction.atomic():
        by_save(row)
        assert code() == "600001"
        raise Undone
    assert ConfigStamp.objects.read() == before
    assert code() == "600000" == in_thread(code)


def test_a_rolled_back_savepoint_leaves_nothing_behind(row):
    assert code() == "600000"
    with transaction.atomic():
        with pytest.raises(Undone), transaction.atomic():
            by_save(row)
            assert code() == "600001"
            raise Undone
        assert code() == "600000"
    assert code() == "600000" == in_thread(code)


def test_a_kept_savepoint_counts_after_the_outer_commit(row):
    assert code() == "600000"
    with transaction.atomic():
        with transaction.atomic():
            by_update(row)
        assert code() == "600001"
    assert code() == "600001"


def test_a_rollback_of_a_new_key_gives_the_old_key_back(new_key=None):
    from cryptography.fernet import Fernet

    token = keyring.encrypt("hush")
    with pytest.raises(Undone), transaction.atomic():
        inner = Fernet.generate_key()
        AppSettings.objects.create(cypher_key=inner.decode())
        inside = keyring.encrypt("inside")
        assert Fernet(inner).decrypt(inside.encode()) == b"inside"
        raise Undone
    assert keyring.decrypt(keyring.encrypt("after")) == "after"
    with pytest.raises(Exception, match="does not match"):
        keyring.decrypt(inside)
    assert keyring.decrypt(token) == "hush"


def test_two_threads_that_write_and_read_at_once_never_read_something_old(row):
    MpesaSettings.objects.create(**VALUES, business="b")
    wrong: list[str] = []

    def work(business: str) -> None:
        from django.db import connections

        for number in range(600100, 600115):
            MpesaSettings.objects.filter(business=business).update(short_code=str(number))
            seen = Service.get_mpesa_config(business=business)["short_code"]
            if seen != str(number):
                wrong.append(f"{business}: {seen} instead of {number}")
        connections.close_all()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- changes from elsewhere -----------------------------------------------------------------


def test_a_change_from_elsewhere_is_seen_after_the_interval_and_not_before(row, pass_time):
    assert code() == "600000"
    change_as_another_process(short_code="600001")
    pass_time(0.4)
    assert code() == "600000"
    pass_time(0.7)
    assert code() == "600001"


def test_the_interval_is_a_setting(row, pass_time, settings):
    settings.INTEGRATIONS_STAMP_SECONDS = 10
    Service.clear_config_cache()
    assert code() == "600000"
    change_as_another_process(short_code="600001")
    pass_time(9)
    assert code() == "600000"
    pass_time(1.1)
    assert code() == "600001"


def test_whatever_happened_to_the_stamp_nothing_is_older_than_a_minute(row, pass_time):
    assert code() == "600000"
    change_as_another_process(is_stamped=False, short_code="600001")
    for _ in range(5):
        pass_time(11)
        assert code() == "600000"
    pass_time(11)
    assert code() == "600001"


def test_clearing_the_cache_reads_everything_again(row):
    assert code() == "600000"
    change_as_another_process(is_stamped=False, short_code="600001")
    assert Service.clear_config_cache() is True
    assert code() == "600001"


def test_a_row_read_under_an_old_stamp_is_read_again_under_the_new_one(row, pass_time):
    # Reader takes the stamp, the writer commits, the reader takes the row: both are kept.
    assert code() == "600000"
    change_as_another_process(short_code="600001")
    Service.get_mpesa_config(business="") and cache.clear()
    assert code() == "600000"
    pass_time(1.1)
    assert code() == "600001"


# --- figures --------------------------------------------------------------------------------


@pytest.fixture
def decrypts(monkeypatch):
    """Counts what is really decrypted."""
    counted: list[int] = []
    real = MultiFernet.decrypt

    def count(self, token, ttl=None):
        counted.append(1)
        return real(self, token, ttl)

    monkeypatch.setattr(MultiFernet, "decrypt", count)
    return counted


def test_a_cold_read_takes_two_queries_and_one_decrypt_per_secret(
    row, decrypts, django_assert_max_num_queries
):
    Service.clear_config_cache()
    keyring.encrypt("the keyring is loaded")
    cache.clear()
    from integrations.config import clear_cache

    clear_cache()
    with django_assert_max_num_queries(2):
        Service.get_mpesa_config()
    assert len(decrypts) == 3


def test_a_warm_read_takes_no_query_and_no_decrypt(
    row, decrypts, pass_time, django_assert_num_queries
):
    Service.get_mpesa_config()
    decrypts.clear()
    with django_assert_num_queries(0):
        for _ in range(50):
            Service.get_mpesa_config()
    assert decrypts == []
    pass_time(1.1)
    with django_assert_num_queries(1):
        for _ in range(50):
            Service.get_mpesa_config()
    assert decrypts == []


def test_a_process_that_starts_finds_the_row_in_the_shared_tier(row, django_assert_num_queries):
    Service.get_mpesa_config()
    from integrations.config import clear_cache

    clear_cache()
    keyring.encrypt("x")
    with django_assert_num_queries(0):
        assert code() == "600000"
