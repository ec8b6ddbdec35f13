"""Which businesses somebody may see: asked once per request, applied to every query.

A host ERP that has users and businesses of its own names a function in
INTEGRATIONS_BUSINESS_RESOLVER: `(user) -> iterable of business keys`, with `"*"` for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from django.db.models import Model, QuerySet
from django.utils.module_loading import import_string

from integrations.conf import hub_settings
from integrations.exceptions import ConfigurationError
from integrations.models import ApiToken, BusinessGrant
from integrations.models.access import EVERY_BUSINESS

_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Scope:
    """A set of businesses; `businesses` counts only where `is_all` is False."""

    is_all: bool = False
    businesses: frozenset[str] = frozenset()

    def allows(self, business: str) -> bool:
        """Whether this business is inside."""
        return self.is_all or business in self.businesses

    def narrow(self, rows: QuerySet[_Row], field: str = "business") -> QuerySet[_Row]:
        """Only the rows of these businesses. `field` is the path to their key."""
        if self.is_all:
            return rows
        return rows.filter(**{f"{field}__in": sorted(self.businesses)})

    def only(self, business: str) -> Scope:
        """The part of this scope that is one business: it, or nothing."""
        return Scope(businesses=frozenset({business}) if self.allows(business) else frozenset())


EVERYTHING = Scope(is_all=True)
NOTHING = Scope()


def scope_of(user: Any, token: ApiToken | None = None) -> Scope:
    """What `user` may see, narrowed to the token's business.

    Raises ConfigurationError where the host's resolver can't be loaded or answers no list of
    keys: nobody is let in by a typing error.
    """
    if not getattr(user, "is_authenticated", False) or not user.is_active:
        return NOTHING
    scope = _resolve(user)
    if token is None or token.business is None:
        return scope
    return scope.only(token.business)


def request_scope(request: Any) -> Scope:
    """`scope_of` the caller of a Django or DRF request, worked out once per request."""
    plain = getattr(request, "_request", request)
    token = getattr(request, "auth", None)
    token = token if isinstance(token, ApiToken) else None
    # By caller: before a token is read, a request may be that of a browser's session.
    caller = (request.user.pk, token.pk if token else None)
    known: dict[Any, Scope] = plain.__dict__.setdefault("_integrations_scopes", {})
    if caller not in known:
        known[caller] = scope_of(request.user, token)
    return known[caller]


def _resolve(user: Any) -> Scope:
    path = hub_settings.business_resolver
    keys = granted_businesses(user) if not path else _ask_host(path, user)
    found = frozenset(str(key) for key in keys)
    return EVERYTHING if EVERY_BUSINESS in found else Scope(businesses=found)


def _ask_host(path: str, user: Any) -> list[Any]:
    """What the host's function answers; a text would be taken for its letters, so it is none."""
    keys = _resolver(path)(user)
    is_list = isinstance(keys, Iterable) and not isinstance(keys, str | bytes)
    found = list(keys) if is_list else [None]
    if None in found:
        raise ConfigurationError(
            "INTEGRATIONS_BUSINESS_RESOLVER: the function must return a list of business keys."
        )
    return found


def _resolver(path: str) -> Callable[[Any], Any]:
    try:
        found = import_string(path)
    except ImportError:
        found = None
    if not callable(found):
        raise ConfigurationError(
            "INTEGRATIONS_BUSINESS_RESOLVER: there is no function of this name."
        )
    return cast(Callable[[Any], Any], found)


def granted_businesses(user: Any) -> Iterable[str]:
    """The resolver without a host's: a user's grants; superusers all.

    As long as nobody has a grant there is one business only, and every user sees it: the
    installation. From the first grant on, a user without one sees nothing.
    """
    if user.is_superuser:
        return [EVERY_BUSINESS]
    keys = list(BusinessGrant.objects.filter(user=user).values_list("business", flat=True))
    if keys or BusinessGrant.objects.exists():
        return keys
    return [""]
