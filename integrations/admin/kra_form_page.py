"""The page of a form about tax: what is to be known before it is sent, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

TEMPLATE = "admin/integrations/kra_form.html"


def form_page(
    page: ModelAdmin[Any], request: HttpRequest, form: forms.Form, *, title: str, button: str,
    back: str, lines: Sequence[str] = (),
) -> HttpResponse:  # fmt: skip
    """The page. Its form posts to the same address; `back` is where Cancel leads."""
    context = {
        **page.admin_site.each_context(request),
        "title": title,
        "button": button,
        "lines": lines,
        "form": form,
        "back": back,
        "opts": page.opts,
        "media": page.media,
    }
    return TemplateResponse(request, TEMPLATE, context)
