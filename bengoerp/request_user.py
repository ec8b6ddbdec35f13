"""Who makes the request that is being handled, as log lines may tell it: an id, if known by now."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

handled_request: ContextVar[HttpRequest | None] = ContextVar("handled_request", default=None)


def known_user_id(request: HttpRequest | None = None) -> Any:
    """The user's primary key, None for nobody; nobody is looked up only for a log line."""
    request = request or handled_request.get()
    user: Any = None if request is None else request.__dict__.get("user")
    if isinstance(user, LazyObject) and user.__dict__.get("_wrapped", empty) is empty:
        return None
    return getattr(user, "pk", None)
