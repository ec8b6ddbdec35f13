"""A page that asks before something is done: what, to how many, and a button that posts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.template.response import TemplateResponse


def confirmation(
    page: ModelAdmin[Any], request: HttpRequest, *, title: str, lines: Sequence[str], button: str,
    back: str, values: dict[str, str] | None = None, tick: str = "", is_grave: bool = False,
) -> TemplateResponse:  # fmt: skip
    """The page. Its form posts to the same address, with `confirmed` and `values`.

    `tick` is a sentence that has to be ticked first (posted as `accepted`); `back` is where
    Cancel leads.
    """
    context = {
        **page.admin_site.each_context(request),
        "title": title,
        "lines": lines,
        "button": button,
        "back": back,
        "values": values or {},
        "tick": tick,
        "variant": "danger" if is_grave else "primary",
        "opts": page.opts,
    }
    return TemplateResponse(request, "admin/integrations/confirm.html", context)
