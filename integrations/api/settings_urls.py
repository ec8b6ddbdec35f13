"""The addresses of an integration's settings, and how the schema tells of them."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
    inline_serializer,
)
from rest_framework import serializers

from integrations import registry
from integrations.api import settings_views as views
from integrations.api.hub_view import BODY_REFUSALS, REFUSALS
from integrations.api.idempotency import HEADER_PARAMETER
from integrations.api.serializers import (
    BUSINESS,
    CheckedSerializer,
    ErrorSerializer,
    TestResultSerializer,
)
from integrations.api.settings_serializer import settings_serializer
from integrations.config import default_config
from integrations.health import preflight
from integrations.models import Environment, SettingsModel

_NOT_FOUND = {404: ErrorSerializer}
_UNAVAILABLE = {503: ErrorSerializer}
_ID = OpenApiParameter("id", int, OpenApiParameter.PATH, description="The row's id.")
_FILTERS = [
    OpenApiParameter("business", str, description="Only this business."),
    OpenApiParameter("environment", str, enum=Environment.values),
]


def _account(model: type[SettingsModel], told: str) -> list[OpenApiParameter]:
    """The parameter that names an account, where a business may have several."""
    field = model.account_field
    return [OpenApiParameter(field, str, description=told)] if field else []


def settings_urls(slug: str) -> list[URLPattern]:
    """List, detail, current and test of an integration's settings: all it needs in `urls.py`."""
    model: type[SettingsModel] = registry.settings_model(slug)
    word = slug.replace("_", "-")
    pages = {
        "": ("list", views.SettingsListView, _list_schema(model)),
        "current/": ("current", views.CurrentSettingsView, _current_schema(model)),
        "<str:pk>/": ("detail", views.SettingsDetailView, _detail_schema(model)),
        "<str:pk>/test/": ("test", views.SettingsTestView, _test_schema(model)),
    }
    if preflight.can_check(slug):
        pages["<str:pk>/check/"] = ("check", views.SettingsCheckView, _check_schema(model))
    return [
        path(
            f"{word}-settings/{address}",
            _make_view(model, name, base, schema).as_view(),
            name=f"{word}-settings-{name}",
        )
        for address, (name, base, schema) in pages.items()
    ]


def _make_view(
    model: type[SettingsModel], name: str, base: type[views.SettingsView], schema: dict[str, Any]
) -> type[views.SettingsView]:
    values = {
        "model": model,
        "serializer_class": settings_serializer(model),
        "rights": base.rights_for(model),
        "__doc__": base.__doc__,
        "__module__": __name__,
    }
    made = type(f"{model.__name__}{name.capitalize()}View", (base,), values)
    documented: type[views.SettingsView] = extend_schema_view(**schema)(made)
    return documented


def _operation(model: type[SettingsModel], verb: str, summary: str, **more: Any) -> Any:
    slug, label = model.info.slug, model.info.label
    return extend_schema(
        operation_id=f"{slug}_settings_{verb}",
        summary=f"{summary} ({label})",
        tags=["settings"],
        **more,
    )


def _list_schema(model: type[SettingsModel]) -> dict[str, Any]:
    made = settings_serializer(model)
    return {
        "get": _operation(
            model, "list", "List settings",
            parameters=[*_FILTERS, *_account(model, "Only this account.")],
            responses={200: made(many=True), **REFUSALS},
        ),
        "post": _operation(
            model, "create", "Create settings", request=made, parameters=[HEADER_PARAMETER],
            responses={201: made, 409: ErrorSerializer, **BODY_REFUSALS, **_UNAVAILABLE},
            examples=[_example(model)],
        ),
    }  # fmt: skip


def _detail_schema(model: type[SettingsModel]) -> dict[str, Any]:
    made = settings_serializer(model)
    answers = {200: made, 409: ErrorSerializer, **BODY_REFUSALS, **_NOT_FOUND, **_UNAVAILABLE}
    told = "A secret that is left out stays, an empty one is cleared. After a change of host or "
    told += "environment every kept secret must be sent again."
    return {
        "get": _operation(
            model, "read", "Read settings", parameters=[_ID],
            responses={200: made, **REFUSALS, **_NOT_FOUND},
        ),
        "put": _operation(
            model, "replace", "Change settings, as PATCH", description=told,
            parameters=[_ID, HEADER_PARAMETER],
            request=made, responses=answers,
        ),
        "patch": _operation(
            model, "change", "Change settings", description=told,
            parameters=[_ID, HEADER_PARAMETER],
            request=made(partial=True), responses=answers,
        ),
        "delete": _operation(
            model, "delete", "Delete settings", parameters=[_ID, HEADER_PARAMETER],
            request=None,
            responses={204: None, 409: ErrorSerializer, **BODY_REFUSALS, **_NOT_FOUND},
        ),
    }  # fmt: skip


def _current_schema(model: type[SettingsModel]) -> dict[str, Any]:
    made = settings_serializer(model)
    return {
        "get": _operation(
            model, "current", "Settings in use",
            parameters=[BUSINESS, *_account(model, "Which account; left out: the main one.")],
            description="The business's own row. Without one, the values in use, secrets empty, "
            "with `source`, `configured`, `environment` and `business`.",
            responses={200: _either(model, made), **REFUSALS, **_UNAVAILABLE},
        ),
    }  # fmt: skip


def _either(model: type[SettingsModel], made: Any) -> Any:
    """The row, or the plain values: told as an object with all of their names optional."""
    fields: dict[str, Any] = {
        name: serializers.JSONField(required=False, allow_null=True)
        for name in [*made().get_fields(), *default_config(model.info.slug), "source", "configured"]
    }
    return inline_serializer(f"{model.__name__}InUse", fields)


def _test_schema(model: type[SettingsModel]) -> dict[str, Any]:
    return {
        "post": _operation(
            model, "test", "Test the connection", parameters=[_ID], request=None,
            description="Makes one harmless call with the saved settings. The result is kept on "
            "the row and in the audit trail.",
            responses={200: TestResultSerializer, **REFUSALS, **_NOT_FOUND},
        ),
    }  # fmt: skip


def _check_schema(model: type[SettingsModel]) -> dict[str, Any]:
    return {
        "post": _operation(
            model, "check", "Check the configuration", parameters=[_ID], request=None,
            description="Looks at every saved field, and asks the provider by calls that move no "
            "money. Takes up to half a minute. The audit trail keeps the summary.",
            responses={200: CheckedSerializer, **REFUSALS, **_NOT_FOUND},
        ),
    }  # fmt: skip


def _example(model: type[SettingsModel]) -> OpenApiExample:
    """Required fields, the secrets as words that nobody takes for real ones."""
    secrets = model.secret_fields()
    values = {
        name: f"<the {name.replace('_', ' ')}>" if name in secrets else model.info.defaults[name]
        for name in model.info.required
        if name in secrets or name in model.info.defaults
    }
    return OpenApiExample(
        "Settings of one business",
        value={"business": "branch-7", "environment": "sandbox", **values},
        request_only=True,
    )
