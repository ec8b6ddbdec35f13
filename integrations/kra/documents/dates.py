"""The day or moment of a document, in Nairobi."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from integrations.exceptions import InvalidInput
from integrations.providers.kra.payloads.times import NAIROBI

# Clocks of ERPs differ a little from ours.
MARGIN = timedelta(minutes=5)
EARLIEST = date(2020, 1, 1)
NOON = time(12)


def read_date(value: object, field: str) -> date | datetime:
    """A date, or an aware moment; one without an offset is taken as Nairobi's.

    Takes date, datetime and ISO text. Raises InvalidInput for anything else, for the future (five
    minutes are forgiven) and for days before 2020, when there was no eTIMS.
    """
    found = _parsed(value.strip()) if isinstance(value, str) else value
    if not isinstance(found, date):
        raise InvalidInput(
            field, "must be an ISO date or moment, such as 2026-11-23.", code="invalid_date"
        )
    if isinstance(found, datetime) and timezone.is_naive(found):
        found = found.replace(tzinfo=NAIROBI)
    day = day_of(found)
    late = timezone.now() + MARGIN
    is_future = (
        found > late if isinstance(found, datetime) else day > late.astimezone(NAIROBI).date()
    )
    if is_future:
        raise InvalidInput(field, f"{found} is in the future.", code="invalid_date")
    if day < EARLIEST:
        raise InvalidInput(field, f"{found} is too long ago.", code="invalid_date")
    return found


def _parsed(text: str) -> date | datetime | None:
    try:
        return parse_date(text) or parse_datetime(text)
    except ValueError:
        return None


def date_today() -> str:
    """Today in Nairobi, as text."""
    return day_of(timezone.now()).isoformat()


def day_of(moment: date | datetime) -> date:
    """The day in Nairobi."""
    return moment.astimezone(NAIROBI).date() if isinstance(moment, datetime) else moment


def moment_of(value: date | datetime, *, after: datetime | None = None) -> datetime:
    """The moment that is sent, in Nairobi: now for today's date, noon for an earlier one.

    `after` is the original's of a credit note: a date alone is never before it on its own day.
    """
    if isinstance(value, datetime):
        return value.astimezone(NAIROBI)
    now = timezone.now().astimezone(NAIROBI)
    moment = now if value == now.date() else datetime.combine(value, NOON, NAIROBI)
    if after is not None and moment < after and day_of(after) == value:
        moment = after.astimezone(NAIROBI)
    return moment.replace(microsecond=0)
