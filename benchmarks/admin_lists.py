"""Lists of 1,000,000 rows in the admin and the API, on PostgreSQL: server time and queries."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks import long_tables
from benchmarks.figures import Figure, at_most, exactly, interleave, left_out
from benchmarks.stage import run_alone

FEW, MANY = 1_000, 1_000_000
ROUNDS = 11
BOUND = 150
TITLE = f"lists of {MANY:,} rows"
PAYMENTS = "/admin/integrations/payment/"
API = "/api/v1/integrations/payments/"
DAY = "created_after=2026-02-01T00:00:00Z&created_before=2026-02-02T00:00:00Z"
# Who looks, where, by which filters.
LEGS = {
    "first page": ("admin", PAYMENTS, ""),
    "the hundredth page": ("admin", PAYMENTS, "p=100"),
    "filtered by state": ("admin", PAYMENTS, "state__exact=unknown"),
    "filtered by a day": ("admin", PAYMENTS, "created_from=2026-02-01&created_to=2026-02-01"),
    "one amount": ("admin", PAYMENTS, "amount_from=777&amount_to=777"),
    "amounts that few have": ("admin", PAYMENTS, "amount_from=5000"),
    "amounts that nobody has": ("admin", PAYMENTS, "amount_from=5001"),
    "amounts that most have": ("admin", PAYMENTS, "amount_from=100"),
    "the rare environment": ("admin", PAYMENTS, "environment__exact=sandbox"),
    "a product that nobody has": ("admin", PAYMENTS, "product=card"),
    "a provider that nobody has": ("admin", PAYMENTS, "provider=kra"),
    "a user of one business": ("clerk", PAYMENTS, ""),
    "one business, by amount": ("clerk", PAYMENTS, "amount_from=777&amount_to=900"),
    "search by phone": ("admin", PAYMENTS, "q=0712000777"),
    "search by receipt": ("admin", PAYMENTS, "q=R0000777"),
    "search by the reference's beginning": ("admin", PAYMENTS, "q=INV-00077"),
    "provider calls, one business": ("clerk", "/admin/integrations/providercall/", ""),
    "provider calls that failed": (
        "admin", "/admin/integrations/providercall/", "outcome__exact=failed"
    ),
    "callbacks, one business": ("clerk", "/admin/integrations/inboundcallback/", ""),
    "audit trail, one business": ("clerk", "/admin/integrations/auditentry/", ""),
    "API, the rare environment": ("admin", API, "environment=sandbox&page_size=25"),
    "API, an old day": ("admin", API, f"{DAY}&page_size=25"),
    "API, one business": ("clerk", API, "page_size=25"),
}  # fmt: skip
VIEWED = ("payment", "providercall", "inboundcallback", "auditentry")


def measure() -> list[Figure]:
    """All figures of this script, on the present stage."""
    from django.conf import settings
    from django.db import connection
    from django.test import override_settings

    if connection.vendor != "postgresql":
        return [left_out(TITLE, "needs PostgreSQL", f"<= {BOUND} ms")]
    # Nobody has collected the static files of a checkout.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={**settings.STORAGES, "staticfiles": plain}):
        return _measure()


def _measure() -> list[Figure]:
    people = _people()
    long_tables.set_logged(False)
    long_tables.fill(1, FEW)
    few = {name: _queries(people, leg) for name, leg in LEGS.items()}
    long_tables.fill(FEW + 1, MANY)
    many = {name: _queries(people, leg) for name, leg in LEGS.items()}
    times = interleave(ROUNDS, *(_timed(people, leg) for leg in LEGS.values()))
    long_tables.empty()
    long_tables.set_logged(True)
    figures = [
        at_most(f"{TITLE}: {name}", median(spent) * 1000, "ms", BOUND)
        for name, spent in zip(LEGS, times, strict=True)
    ]
    most = max(LEGS, key=lambda name: many[name] - few[name])
    return [*figures, exactly(f"  queries beside {FEW:,}: {most}", many[most], "", few[most])]


def _people() -> dict[str, Any]:
    """Clients of a superuser, and of somebody who may see one business."""
    from django.contrib.auth.models import Permission, User
    from django.test import Client

    from integrations.models import BusinessGrant

    User.objects.filter(username__in=("bench-admin", "bench-clerk")).delete()
    chief = User.objects.create_superuser("bench-admin")
    clerk = User.objects.create_user("bench-clerk", is_staff=True)
    seen = [f"view_{name}" for name in VIEWED]
    clerk.user_permissions.set(Permission.objects.filter(codename__in=seen))
    BusinessGrant.objects.create(user=clerk, business="b7")
    people = {"admin": Client(headers={"host": "127.0.0.1"}),
              "clerk": Client(headers={"host": "127.0.0.1"})}  # fmt: skip
    people["admin"].force_login(chief)
    people["clerk"].force_login(clerk)
    return people


def _get(people: dict[str, Any], leg: tuple[str, str, str]) -> Any:
    who, url, query = leg
    response = people[who].get(f"{url}?{query}", secure=True)
    if response.status_code != 200:
        raise RuntimeError(f"{url} answered {response.status_code} to {query!r}.")
    return response


def _queries(people: dict[str, Any], leg: tuple[str, str, str]) -> int:
    """How many the page takes, once warm."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    _get(people, leg)
    with CaptureQueriesContext(connection) as caught:
        _get(people, leg)
    return len(caught)


def _timed(people: dict[str, Any], leg: tuple[str, str, str]) -> Callable[[], float]:
    def run() -> float:
        started = time.perf_counter()
        _get(people, leg)
        return time.perf_counter() - started

    return run


if __name__ == "__main__":
    run_alone(measure)
