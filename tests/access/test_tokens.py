"""The life of an API token: issued, found, used, expired, revoked; its text is nowhere."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, connections
from django.utils import timezone

from integrations.models import ApiToken, AuditEntry, BusinessGrant, TokenScope, acting
from integrations.models.access import TOKEN_MARK, digest_token

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user() -> User:
    return User.objects.create_user("mary")


def issue(user: User, **changes: Any) -> tuple[ApiToken, str]:
    values: dict[str, Any] = {
        "name": "till 7",
        "scopes": [TokenScope.PAYMENTS_WRITE, TokenScope.HEALTH_READ],
        "expires_at": timezone.now() + timedelta(days=30),
        **changes,
    }
    return ApiToken.issue(user, **values)


def stored() -> str:
    """Everything that the database holds of tokens and of the trail."""
    with connection.cursor() as cursor:
        found = []
        for table in ("integrations_apitoken", "integrations_auditentry"):
            cursor.execute(f"SELECT * FROM {table}")
            found += cursor.fetchall()
    return str(found)


def test_an_issued_token_is_found_by_its_text_alone(user: User) -> None:
    token, text = issue(user)
    assert text.startswith(TOKEN_MARK)
    assert len(text) >= len(TOKEN_MARK) + 43
    found = ApiToken.find(text)
    assert found == token
    assert found is not None
    assert found.refusal() == ""
    assert found.user == user
    assert found.scopes == ["health:read", "payments:write"]


def test_the_database_holds_the_digest_and_never_the_text(user: User) -> None:
    token, text = issue(user)
    everything = stored()
    assert token.digest == digest_token(text)
    assert token.digest in everything
    assert text not in everything
    # What people tell tokens apart by is too short to find the rest.
    assert text.removeprefix(token.prefix) not in everything
    assert len(token.prefix) - len(TOKEN_MARK) == 4
    assert text not in str(token) + repr(token)


def test_no_two_tokens_are_alike(user: User) -> None:
    texts = {issue(user)[1] for _ in range(20)}
    assert len(texts) == 20


@pytest.mark.parametrize("change", ["cut", "longer", "other", "no mark", "digest", "", "\ud800"])
def test_a_strangers_text_finds_nothing(user: User, change: str) -> None:
    token, text = issue(user)
    last = "A" if text[-1] != "A" else "B"
    tried = {
        "cut": text[:-1],
        "longer": text + "A",
        "other": text[:-1] + last,
        "no mark": text.removeprefix(TOKEN_MARK),
        "digest": token.digest,
    }.get(change, TOKEN_MARK + change)
    assert ApiToken.find(tried) is None


def test_a_token_ends_at_its_time(user: User) -> None:
    end = timezone.now() + timedelta(hours=1)
    _token, text = issue(user, expires_at=end)
    with time_machine.travel(end - timedelta(seconds=5), tick=False):
        assert found(text).refusal() == ""
    with time_machine.travel(end, tick=False):
        assert found(text).refusal() == "This API token has expired."


def found(text: str) -> ApiToken:
    token = ApiToken.find(text)
    assert token is not None
    return token


def test_a_revoked_token_opens_nothing_also_where_it_was_read_before(user: User) -> None:
    token, text = issue(user)
    held = found(text)
    token.revoke()
    assert token.refusal() == "This API token was revoked."
    assert found(text).refusal() == "This API token was revoked."
    held.refresh_from_db()
    assert held.refusal()


def test_a_user_who_is_switched_off_takes_the_token_along(user: User) -> None:
    _token, text = issue(user)
    User.objects.update(is_active=False)
    assert found(text).refusal() == "The user of this API token is switched off."


def test_revoked_comes_before_expired(user: User) -> None:
    token, text = issue(user)
    token.revoke()
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert "revoked" in found(text).refusal()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["payments:all"]}, "scopes"),
        ({"scopes": ["payments:read", "*"]}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"business": "x" * 65}, "business"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "expires_at"),
        ({"expires_at": None}, "expires_at"),
    ],
)
def test_bad_input_is_refused_by_field_and_leaves_nothing(
    user: User, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        issue(user, **changes)
    assert field in caught.value.message_dict
    assert not ApiToken.objects.exists()
    assert not AuditEntry.objects.exists()


def test_the_trail_names_who_issued_and_who_revoked(user: User) -> None:
    root = User.objects.create_superuser("root")
    with acting(root):
        token, _text = issue(user, business="b1")
        token.revoke()
        token.revoke()
    told = AuditEntry.objects.order_by("pk").values_list(
        "action", "actor_name", "business", "object_id", "object_name"
    )
    shown = f"till 7 ({token.prefix}…)"
    assert list(told) == [
        ("token.issued", "root", "b1", str(token.pk), shown),
        ("token.revoked", "root", "b1", str(token.pk), shown),
    ]


def test_a_second_revocation_keeps_the_first_time(user: User) -> None:
    token, _text = issue(user)
    token.revoke()
    first = token.revoked_at
    with time_machine.travel(timezone.now() + timedelta(hours=1), tick=False):
        token.revoke()
    assert token.revoked_at == first


def test_two_revocations_at_once_are_one(user: User) -> None:
    token, _text = issue(user)
    start = threading.Barrier(4)

    def revoke(_number: int) -> Any:
        try:
            mine = ApiToken.objects.get(pk=token.pk)
            start.wait(10)
            mine.revoke()
            return mine.revoked_at
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        times = set(pool.map(revoke, range(4)))
    assert len(times) == 1
    assert None not in times
    assert AuditEntry.objects.filter(action="token.revoked").count() == 1


def test_use_is_noted_at_most_once_a_minute(user: User) -> None:
    token, text = issue(user)
    assert token.last_used_at is None
    start = timezone.now()
    # From here on a query is a write.
    for seconds, is_written in ((0, True), (1, False), (59, False), (61, True), (100, False)):
        held = found(text)
        with time_machine.travel(start + timedelta(seconds=seconds), tick=False):
            before = held.last_used_at
            held.note_use()
            held.note_use()
        held.refresh_from_db()
        assert (held.last_used_at != before) is is_written, seconds
    assert held.last_used_at == start + timedelta(seconds=61)


def test_noting_use_is_no_change_of_the_token(user: User) -> None:
    token, text = issue(user)
    found(text).note_use()
    assert AuditEntry.objects.count() == 1
    token.refresh_from_db()
    assert token.refusal() == ""


def test_one_object_writes_once(user: User, django_assert_num_queries: Any) -> None:
    _token, text = issue(user)
    held = found(text)
    with django_assert_num_queries(1):
        held.note_use()
        held.note_use()


def test_finding_a_token_brings_its_user_along(user: User, django_assert_num_queries: Any) -> None:
    _token, text = issue(user)
    with django_assert_num_queries(1):
        assert found(text).user.is_active


def test_tokens_go_with_their_user(user: User) -> None:
    _token, text = issue(user)
    user.delete()
    assert ApiToken.find(text) is None


@pytest.mark.parametrize(
    ("granted", "business", "filed"),
    [
        (("b1",), None, "b1"),
        (("b1", "b2"), None, ""),
        (("b1", "b2"), "b2", "b2"),
        (("b1",), "", ""),
        ((), None, ""),
        (("*",), None, ""),
    ],
)
def test_a_token_is_in_the_trail_of_its_business(
    user: User, granted: tuple[str, ...], business: str | None, filed: str
) -> None:
    for key in granted:
        BusinessGrant.objects.create(user=user, business=key)
    token, _text = issue(user, business=business)
    token.revoke()
    entries = AuditEntry.objects.filter(action__startswith="token.")
    assert [entry.business for entry in entries] == [filed, filed]


def test_a_superusers_token_is_of_the_installation(user: User) -> None:
    User.objects.update(is_superuser=True)
    user.refresh_from_db()
    BusinessGrant.objects.create(user=user, business="b1")
    issue(user)
    assert AuditEntry.objects.get(action="token.issued").business == ""
