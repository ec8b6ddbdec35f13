"""The audit trail: complete, names only, append-only, sealed."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections, transaction

from integrations.exceptions import IntegrationError
from integrations.models import (
    AuditEntry,
    AuditSeal,
    Integrations,
    MpesaSettings,
    acting,
    audit,
    find_broken_seal,
    seal_audit_trail,
)
from tests.config.conftest import VALUES, in_thread

pytestmark = pytest.mark.django_db(transaction=True)


def record(count: int = 1) -> list[AuditEntry]:
    return [AuditEntry.objects.record("tested", detail=f"number {n}") for n in range(count)]


def told() -> list[tuple[str, list[str]]]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", "fields"))


def test_every_change_of_settings_is_recorded_by_field_names(row):
    row.passkey, row.short_code = "new-passkey", "600001"
    row.save()
    MpesaSettings.objects.update(consumer_key="new-key", short_code="600002")
    row.delete()
    # The first settings row of an integration brings its `Integrations` row along.
    assert [action for action, _ in told()] == [
        "integration.created", "settings.created", "settings.changed", "settings.bulk_updated",
        "settings.deleted",
    ]  # fmt: skip
    assert set(VALUES) <= set(told()[1][1])
    assert told()[2][1] == ["passkey", "short_code"]
    assert told()[3][1] == ["consumer_key", "short_code"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM integrations_auditentry")
        text = str(cursor.fetchall())
    for secret in (*VALUES.values(), "new-passkey", "new-key", "600001", "gAAAAA"):
        assert secret not in text


def test_bulk_deletes_and_integrations_are_recorded_too(row):
    link = Integrations.objects.create()
    link.is_active = False
    link.save()
    MpesaSettings.objects.bulk_create([MpesaSettings(business="b")])
    MpesaSettings.objects.all().delete()
    Integrations.objects.all().delete()
    actions = [(entry.action, entry.detail) for entry in AuditEntry.objects.order_by("pk")][2:]
    assert [action for action, _ in actions] == [
        "integration.created", "integration.changed", "settings.bulk_created",
        "settings.bulk_deleted", "settings.bulk_deleted",
    ]  # fmt: skip
    assert actions[-1][1] == "2 rows of integrations.Integrations"


def test_the_entry_lives_and_dies_with_the_change(row):
    count = AuditEntry.objects.count()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        row.short_code = "600001"
        row.save()
        assert AuditEntry.objects.count() == count + 1
        assert in_thread(AuditEntry.objects.count) == count
        raise ZeroDivisionError
    assert AuditEntry.objects.count() == count


def test_the_actor_is_who_acts_and_nobody_afterwards(row):
    user = get_user_model().objects.create_user("wanjiru")
    with acting(user):
        row.save()
    row.save()
    entries = list(AuditEntry.objects.order_by("pk"))
    assert (entries[-2].actor, entries[-2].actor_name) == (user, "wanjiru")
    assert (entries[-1].actor, entries[-1].actor_name) == (None, "system")
    user.delete()
    assert AuditEntry.objects.get(pk=entries[-2].pk).actor_name == "wanjiru"


def test_long_names_do_not_stop_the_change(monkeypatch):
    user = get_user_model().objects.create_user("wanjiru")
    monkeypatch.setattr(type(user), "__str__", lambda _: "n" * 500)
    with acting(user):
        made = AuditEntry.objects.record("tested", business="b" * 99, detail="d" * 999)
    made.refresh_from_db()
    assert (len(made.actor_name), len(made.business), len(made.detail)) == (200, 64, 500)


ATTEMPTS = {
    "save": lambda entry: entry.save(),
    "update fields": lambda entry: entry.save(update_fields=["detail"]),
    "delete": lambda entry: entry.delete(),
    "bulk update": lambda entry: type(entry).objects.update(pk=1),
    "bulk delete": lambda entry: type(entry).objects.all().delete(),
    "bulk_update": lambda entry: type(entry).objects.bulk_update([entry], ["detail"]
                                                                 if hasattr(entry, "detail")
                                                                 else ["digest"]),
    "upsert": lambda entry: type(entry).objects.bulk_create(
        [entry], update_conflicts=True, unique_fields=["pk"],
        update_fields=["detail"] if hasattr(entry, "detail") else ["digest"],
    ),
    "positional upsert": lambda entry: type(entry).objects.bulk_create(
        [entry], None, False, True,
        ["detail"] if hasattr(entry, "detail") else ["digest"], ["pk"],
    ),
    "replaced": lambda entry: type(entry)(**{
        f.attname: getattr(entry, f.attname) for f in entry._meta.concrete_fields
    }).save(),
}  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.parametrize("model", [AuditEntry, AuditSeal])
def test_nothing_in_the_trail_is_changed_or_taken_out(attempt, model):
    record(2)
    seal_audit_trail()
    before = list(model.objects.order_by("pk").values())
    entry = model.objects.first()
    if hasattr(entry, "detail"):
        entry.detail = "something else"
    from django.db import IntegrityError

    with pytest.raises((IntegrationError, IntegrityError)), transaction.atomic():
        ATTEMPTS[attempt](entry)
    assert list(model.objects.order_by("pk").values()) == before


# --- sealing --------------------------------------------------------------------------------


def test_a_sealed_trail_is_whole(monkeypatch):
    monkeypatch.setattr(audit, "SEAL_BATCH", 3)
    assert find_broken_seal() is None
    record(7)
    assert seal_audit_trail() == 7
    assert seal_audit_trail() == 0
    record(2)
    assert seal_audit_trail() == 2
    assert list(AuditSeal.objects.order_by("position").values_list("position", flat=True)) == list(
        range(1, 10)
    )
    assert find_broken_seal() is None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("detail", "nothing happened"),
        ("actor_name", "somebody"),
        ("action", "x"),
        ("business", "b"),
        ("object_id", "9"),
        ("fields", '["passkey"]'),
        ("at", "2020-01-01 00:00:00+00:00"),
        ("actor_id", 4711),
    ],
)
def test_a_changed_entry_is_found(column, value):
    record(5)
    seal_audit_trail()
    third = AuditSeal.objects.get(position=3).entry_id
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE integrations_auditentry SET {column} = %s WHERE id = %s", [value, third]
        )
    assert find_broken_seal() == 3


@pytest.mark.parametrize("position", [1, 3, 5])
def test_an_entry_that_was_taken_out_is_found(position):
    record(5)
    seal_audit_trail()
    entry = AuditSeal.objects.get(position=position).entry_id
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM integrations_auditentry WHERE id = %s", [entry])
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = DEFAULT")
    assert find_broken_seal() is not None
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = replica")
        cursor.execute("DELETE FROM integrations_auditseal WHERE entry_id = %s", [entry])
        if connection.vendor == "postgresql":
            cursor.execute("SET session_replication_role = DEFAULT")
    assert (find_broken_seal() is None) is (position == 5)


def test_two_entries_that_changed_places_are_found():
    record(4)
    seal_audit_trail()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE integrations_auditentry SET detail = CASE detail WHEN 'number 1' THEN "
            "'number 2' ELSE 'number 1' END WHERE detail IN ('number 1', 'number 2')"
        )
    assert find_broken_seal() == 2


def test_sealers_at_once_make_one_chain(monkeypatch):
    monkeypatch.setattr(audit, "SEAL_BATCH", 5)
    record(60)
    gate = threading.Barrier(4)
    errors: list[BaseException] = []

    def seal() -> None:
        try:
            gate.wait(timeout=10)
            seal_audit_trail()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=seal) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    seal_audit_trail()
    assert AuditSeal.objects.count() == 60
    assert find_broken_seal() is None


@pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite has one writer at a time: none overtakes"
)
def test_an_entry_that_commits_late_is_sealed_after_the_others():
    written, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            record()
            written.set()
            go_on.wait(timeout=10)
        connections.close_all()

    thread = threading.Thread(target=slow)
    thread.start()
    assert written.wait(timeout=60)
    try:
        record(2)
        assert seal_audit_trail() == 2
    finally:
        go_on.set()
        thread.join()
    assert seal_audit_trail() == 1
    first = AuditEntry.objects.order_by("pk").first()
    assert first is not None and first.seal.position == 3
    assert find_broken_seal() is None
