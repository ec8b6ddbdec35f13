"""Who sees which business: grants, superusers, tokens, and the host's own answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.request import Request

from integrations.access import (
    EVERYTHING,
    NOTHING,
    Scope,
    request_scope,
    scope_of,
)
from integrations.exceptions import ConfigurationError
from integrations.models import ApiToken, BusinessGrant, DomainEvent, TokenScope

pytestmark = pytest.mark.django_db

INSTALLATION = Scope(businesses=frozenset({""}))
ANSWERS: dict[str, Any] = {}


def businesses_of(user: Any) -> Any:
    """The host's resolver of these tests."""
    ANSWERS["asked"] = ANSWERS.get("asked", 0) + 1
    return ANSWERS["keys"]


NO_FUNCTION = "b1"


@pytest.fixture
def user() -> User:
    return User.objects.create_user("mary", is_staff=True)


@pytest.fixture
def host(settings: Any) -> Callable[[Any], None]:
    """Lets the host project answer with these keys."""
    ANSWERS.clear()
    settings.INTEGRATIONS_BUSINESS_RESOLVER = "tests.access.test_scope.businesses_of"

    def answer(keys: Any) -> None:
        ANSWERS["keys"] = keys

    return answer


def grant(user: User, *businesses: str) -> None:
    for business in businesses:
        BusinessGrant.objects.create(user=user, business=business)


def token_of(user: User, business: str | None = None) -> ApiToken:
    token, _text = ApiToken.issue(
        user, name="till", scopes=[TokenScope.PAYMENTS_READ], business=business,
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    return token


def test_a_user_without_a_grant_sees_the_installation_only(user: User) -> None:
    assert scope_of(user) == INSTALLATION
    assert scope_of(user).allows("")
    assert not scope_of(user).allows("b1")


def test_from_the_first_grant_on_a_user_without_one_sees_nothing(user: User) -> None:
    grant(User.objects.create_user("john"), "b1")
    assert scope_of(user) == Scope()
    # Taking away somebody's last grant must not hand them the installation.
    grant(user, "b2")
    BusinessGrant.objects.get(user=user).delete()
    assert not scope_of(user).allows("")


def test_grants_are_all_that_a_user_sees(user: User) -> None:
    grant(user, "b1", "b2")
    scope = scope_of(user)
    assert (scope.is_all, scope.businesses) == (False, frozenset({"b1", "b2"}))
    # Whoever is granted a business does not see the installation by the way.
    assert not scope.allows("")


def test_the_star_and_superusers_see_everything(user: User) -> None:
    grant(user, "b1", "*")
    assert scope_of(user) == EVERYTHING
    assert scope_of(User.objects.create_superuser("root")) == EVERYTHING


@pytest.mark.parametrize("who", ["nobody", "anonymous", "switched off", "superuser switched off"])
def test_strangers_see_nothing(who: str) -> None:
    known = {
        "nobody": None,
        "anonymous": AnonymousUser(),
        "switched off": User(username="x", is_active=False),
        "superuser switched off": User(username="x", is_active=False, is_superuser=True),
    }
    assert scope_of(known[who]) == NOTHING
    assert not scope_of(known[who]).allows("")


def test_anothers_grant_is_not_mine(user: User) -> None:
    grant(User.objects.create_user("john"), "b1", "*")
    assert scope_of(user) == NOTHING


def test_a_token_narrows_and_never_widens(user: User) -> None:
    grant(user, "b1", "b2")
    assert scope_of(user, token_of(user)) == scope_of(user)
    assert scope_of(user, token_of(user, "b1")) == Scope(businesses=frozenset({"b1"}))
    assert scope_of(user, token_of(user, "b3")) == NOTHING
    # The installation is a business like any other: "" is not "all".
    assert scope_of(user, token_of(user, "")) == NOTHING


def test_a_superusers_token_of_one_business_sees_that_one() -> None:
    root = User.objects.create_superuser("root")
    assert scope_of(root, token_of(root, "b1")) == Scope(businesses=frozenset({"b1"}))
    assert scope_of(root, token_of(root, "")) == INSTALLATION


def test_a_star_in_a_token_is_no_star(user: User) -> None:
    grant(user, "b1")
    assert scope_of(user, token_of(user, "*")) == NOTHING


def test_rows_are_narrowed_in_the_database(user: User) -> None:
    for business in ("", "b1", "b2"):
        DomainEvent.objects.create(event_type="t", payload={}, business=business)
    grant(user, "b1", "")

    def seen(scope: Scope) -> set[str]:
        return set(scope.narrow(DomainEvent.objects.all()).values_list("business", flat=True))

    assert seen(scope_of(user)) == {"", "b1"}
    assert seen(EVERYTHING) == {"", "b1", "b2"}
    assert seen(NOTHING) == set()
    grants = scope_of(user).only("b1").narrow(BusinessGrant.objects.all())
    assert [row.business for row in grants] == ["b1"]


def test_the_path_to_the_key_can_be_another(user: User) -> None:
    grant(user, "b1")
    token_of(user, "b1")
    users = Scope(businesses=frozenset({"b1"})).narrow(
        User.objects.all(), "integration_tokens__business"
    )
    assert list(users) == [user]


def test_the_host_decides_where_it_has_a_resolver(user: User, host: Callable[[Any], None]) -> None:
    grant(user, "b1")
    host(["b7", 8])
    assert scope_of(user) == Scope(businesses=frozenset({"b7", "8"}))
    host({"*"})
    assert scope_of(user) == EVERYTHING
    host(key for key in ("a", "b"))
    assert scope_of(user).businesses == {"a", "b"}
    host([])
    # Grants do not come back where the host says "none".
    assert scope_of(user) == NOTHING
    # Being a superuser of this project is nothing that the host need know.
    assert scope_of(User.objects.create_superuser("root")) == NOTHING


def test_the_host_is_not_asked_about_strangers(host: Callable[[Any], None]) -> None:
    host(["*"])
    assert scope_of(AnonymousUser()) == NOTHING
    assert scope_of(User(is_active=False)) == NOTHING
    assert "asked" not in ANSWERS


@pytest.mark.parametrize("answer", ["b1", "*", b"b1", None, 7, True, [None], ["b1", None]])
def test_an_answer_that_is_no_list_of_keys_lets_nobody_in(
    user: User, host: Callable[[Any], None], answer: Any
) -> None:
    host(answer)
    with pytest.raises(ConfigurationError, match="must return a list") as caught:
        scope_of(user)
    assert caught.value.code == "not_configured"


@pytest.mark.parametrize(
    "path",
    [
        "tests.access.test_scope.no_such_function",
        "tests.access.no_such_module.businesses_of",
        "no_such_package.businesses_of",
        "businesses_of",
        "tests.access.test_scope.NO_FUNCTION",
    ],
)
def test_a_typing_error_in_the_resolvers_name_lets_nobody_in(
    user: User, settings: Any, path: str
) -> None:
    settings.INTEGRATIONS_BUSINESS_RESOLVER = path
    for who in (user, User.objects.create_superuser("root")):
        with pytest.raises(ConfigurationError, match="there is no function of this name"):
            scope_of(who)


def test_what_the_resolver_raises_is_not_swallowed(user: User, host: Callable[[Any], None]) -> None:
    def broken() -> Any:
        yield "b1"
        raise PermissionError("the host says no")

    host(broken())
    with pytest.raises(PermissionError):
        scope_of(user)


def test_a_request_asks_once(user: User, host: Callable[[Any], None]) -> None:
    host(["b1"])
    request: Any = RequestFactory().get("/")
    request.user = user
    assert request_scope(request) == request_scope(request)
    assert ANSWERS["asked"] == 1


def test_a_request_that_turns_out_to_carry_a_token_is_asked_about_again(user: User) -> None:
    grant(user, "b1", "b2")
    request: Any = RequestFactory().get("/")
    request.user = user
    assert request_scope(request).businesses == {"b1", "b2"}
    wrapped = Request(request)
    wrapped.user, wrapped.auth = user, token_of(user, "b2")
    assert request_scope(wrapped).businesses == {"b2"}
    wrapped.user, wrapped.auth = AnonymousUser(), None
    assert request_scope(wrapped) == NOTHING


def test_an_unknown_kind_of_authentication_narrows_nothing(user: User) -> None:
    request: Any = RequestFactory().get("/")
    wrapped = Request(request)
    wrapped.user, wrapped.auth = user, "a host's own token"
    assert request_scope(wrapped) == INSTALLATION
