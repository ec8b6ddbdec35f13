"""What is known to need somebody although the connection works: nobody is asked."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError

from integrations import registry


def warnings_for(slug: str, business: str) -> list[str]:
    """Sentences about the settings rows that serve a business, each account's by itself.

    None where the database is away: health says that elsewhere, and must answer.
    """
    tell = registry.row_warnings(slug)
    if tell is None:
        return []
    try:
        rows = _rows_of(registry.settings_model(slug), business)
        told = tell(rows)
    except DatabaseError:
        return []
    return [sentence for row in rows for sentence in told.get(row.pk, ())]


def _rows_of(model: type[Any], business: str) -> list[Any]:
    own = list(model._default_manager.filter(business=business).order_by("pk"))
    if own or not business:
        return own
    return list(model._default_manager.filter(business="", shared=True).order_by("pk"))
