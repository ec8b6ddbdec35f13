"""Business grants: unique, told in words, and in the audit trail."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from integrations.models import AuditEntry, BusinessGrant, acting

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return User.objects.create_user("mary")


def test_a_grant_comes_and_goes_with_an_entry_in_the_trail(user: User) -> None:
    root = User.objects.create_superuser("root")
    with acting(root):
        grant = BusinessGrant.objects.create(user=user, business="b1")
        grant.business = "b2"
        grant.save()
        pk = str(grant.pk)
        grant.delete()
    told = AuditEntry.objects.order_by("pk").values_list(
        "action", "object_type", "object_id", "business", "actor_name", "object_name"
    )
    kind = "integrations.BusinessGrant"
    assert list(told) == [
        ("grant.saved", kind, pk, "b1", "root", "mary: b1"),
        ("grant.saved", kind, pk, "b2", "root", "mary: b2"),
        ("grant.deleted", kind, pk, "b2", "root", "mary: b2"),
    ]


def test_a_grant_for_all_is_recorded_with_the_installation(user: User) -> None:
    BusinessGrant.objects.create(user=user, business="*")
    assert AuditEntry.objects.get().business == ""


def test_a_grant_that_is_rolled_back_leaves_no_entry(user: User) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        BusinessGrant.objects.create(user=user, business="b1")
        raise ZeroDivisionError
    assert not BusinessGrant.objects.exists()
    assert not AuditEntry.objects.exists()


def test_the_same_grant_twice_is_refused(user: User) -> None:
    BusinessGrant.objects.create(user=user, business="b1")
    with pytest.raises(IntegrityError), transaction.atomic():
        BusinessGrant.objects.create(user=user, business="b1")
    with pytest.raises(ValidationError):
        BusinessGrant(user=user, business="b1").full_clean()
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("business", "words"),
    [("*", "mary: every business"), ("", "mary: the installation"), ("b1", "mary: b1")],
)
def test_a_grant_reads_as_a_sentence(user: User, business: str, words: str) -> None:
    assert str(BusinessGrant(user=user, business=business)) == words


def test_a_key_that_is_too_long_is_refused(user: User) -> None:
    with pytest.raises(ValidationError):
        BusinessGrant(user=user, business="x" * 65).full_clean()


def test_grants_go_with_their_user(user: User) -> None:
    BusinessGrant.objects.create(user=user, business="b1")
    user.delete()
    assert not BusinessGrant.objects.exists()
