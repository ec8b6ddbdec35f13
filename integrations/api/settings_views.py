"""Settings of any integration over HTTP: one line in `urls.py` for each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from integrations.access import request_scope
from integrations.api.hub_view import HubView, find_by_number, refuse_unknown
from integrations.api.idempotency import answer_once
from integrations.api.rights import Right, choose_business, require_business
from integrations.api.throttles import TestThrottle
from integrations.config import default_config, get_snapshot
from integrations.exceptions import ConfigurationError
from integrations.health import check_row, preflight, row_status
from integrations.models import SettingsModel, TokenScope

NOT_FOUND = "There are no such settings."
# How long a check waits for the answer about the initiator, which comes by callback.
CHECK_SECONDS = 8.0


class SettingsView(HubView):
    """What the views of one settings model share; `settings_urls` makes the classes."""

    model: ClassVar[type[SettingsModel]]

    @classmethod
    def rights_for(cls, model: type[SettingsModel]) -> dict[str, Right]:
        """By method, from the model's Django permissions."""
        write = {"POST": "add", "PUT": "change", "PATCH": "change", "DELETE": "delete"}
        rights = {"GET": Right(TokenScope.SETTINGS_READ, permission_name(model, "view"))}
        for method, verb in write.items():
            permission = permission_name(model, verb)
            rights[method] = Right(TokenScope.SETTINGS_WRITE, permission, staff=True)
        return {method: right for method, right in rights.items() if hasattr(cls, method.lower())}

    def get_queryset(self) -> QuerySet[Any]:
        """The rows of the caller's businesses; others don't exist here."""
        rows: QuerySet[Any] = self.model._default_manager.order_by("pk")
        if "integration" in {field.name for field in self.model._meta.fields}:
            rows = rows.select_related("integration")
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        return request_scope(self.request).narrow(rows)

    def find_row(self, pk: str, *, is_locked: bool = False) -> SettingsModel:
        """The caller's row; raises Http404 for any other text."""
        rows = self.get_queryset()
        if is_locked:
            rows = rows.select_for_update(of=("self",))
        found: SettingsModel = find_by_number(rows, pk, NOT_FOUND)
        return found


def permission_name(model: type[SettingsModel], verb: str) -> str:
    """ "integrations.change_mpesasettings"."""
    return f"{model._meta.app_label}.{verb}_{model._meta.model_name}"


class SettingsListView(SettingsView):
    """All rows of the caller's businesses, and new ones."""

    keyed = frozenset({"POST"})

    def get(self, request: Request) -> Response:
        """A bare list, by id."""
        refuse_unknown(request, *filters_of(self.model))
        wanted = {name: text for name, text in request.query_params.items() if text is not None}
        rows = self.get_queryset().filter(**wanted)
        return Response(self.get_serializer(rows, many=True).data)

    def post(self, request: Request) -> Response:
        """A new row; once for each Idempotency-Key."""
        return _row_once(request, lambda: self._create(request))

    def _create(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(serializer.data, status=201)


class SettingsDetailView(SettingsView):
    """One row."""

    keyed = frozenset({"PUT", "PATCH", "DELETE"})

    def get(self, request: Request, pk: str) -> Response:
        """The row, secrets as previews."""
        return Response(self.get_serializer(self.find_row(pk)).data)

    def put(self, request: Request, pk: str) -> Response:
        """As PATCH: nothing is required, and a secret that is left out stays."""
        return _row_once(request, lambda: self._change(request, pk, is_partial=False))

    def patch(self, request: Request, pk: str) -> Response:
        """Change what was sent; once for each Idempotency-Key."""
        return _row_once(request, lambda: self._change(request, pk, is_partial=True))

    def delete(self, request: Request, pk: str) -> Response:
        """Delete the row; a repeated Idempotency-Key answers 204 again, not 404."""
        return answer_once(request, lambda: self._delete(pk))

    def _delete(self, pk: str) -> Response:
        self.find_row(pk, is_locked=True).delete()
        return Response(status=204)

    def _change(self, request: Request, pk: str, *, is_partial: bool) -> Response:
        row = self.find_row(pk, is_locked=True)
        serializer = self.get_serializer(row, data=request.data, partial=is_partial)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(serializer.data)


class CurrentSettingsView(SettingsView):
    """What is in use for a business."""

    def get(self, request: Request) -> Response:
        """Its row; without one the values in use, secrets empty."""
        field = self.model.account_field
        refuse_unknown(request, "business", *([field] if field else []))
        business = choose_business(request, request.query_params.get("business"))
        account = request.query_params.get(field, "") if field else ""
        chosen = {field: account} if account else {"is_main": True} if field else {}
        row = self.get_queryset().filter(business=business, **chosen).first()
        if row is not None:
            return Response(self.get_serializer(row).data)
        return Response(_values_in_use(self.model, business, account))


class SettingsTestView(SettingsView):
    """The connection test of a row."""

    costly = (TestThrottle,)

    @classmethod
    def rights_for(cls, model: type[SettingsModel]) -> dict[str, Right]:
        """Whoever may change the row."""
        permission = permission_name(model, "change")
        return {"POST": Right(TokenScope.SETTINGS_WRITE, permission, staff=True)}

    def post(self, request: Request, pk: str) -> Response:
        """Ask the provider with the saved settings; the result is kept on the row."""
        row = self.find_row(pk)
        result = check_row(row)
        row.refresh_from_db()
        return Response(
            {
                "success": result.ok,
                "message": result.message,
                "milliseconds": result.milliseconds,
                "status": row_status(row).value,
            }
        )


class SettingsCheckView(SettingsView):
    """The check of a row, field by field."""

    costly = (TestThrottle,)

    @classmethod
    def rights_for(cls, model: type[SettingsModel]) -> dict[str, Right]:
        """Whoever may change the row."""
        return SettingsTestView.rights_for(model)

    def post(self, request: Request, pk: str) -> Response:
        """Look at every field, and ask the provider by calls that move no money."""
        row = self.find_row(pk)
        found = preflight.check_row_settings(row, wait_seconds=CHECK_SECONDS)
        return Response(
            {
                "success": not any(each.level is preflight.Level.ERROR for each in found),
                "message": preflight.summary(found),
                "findings": [dataclasses.asdict(each) for each in found],
            }
        )


def _row_once(request: Request, act: Callable[[], Response]) -> Response:
    """`answer_once` for an answer that shows a row."""
    # Read and parsed before anything is locked: a slow client must not hold it.
    _ = request.data
    answer = answer_once(request, act)
    # A repeated answer is of then; the caller may have lost the business since.
    require_business(request, str(answer.data["business"]))
    return answer


def filters_of(model: type[SettingsModel]) -> list[str]:
    """The names by which a list of settings can be narrowed."""
    return ["business", "environment", *([model.account_field] if model.account_field else [])]


def _values_in_use(model: type[SettingsModel], business: str, account: str) -> dict[str, Any]:
    """The documented dict of the integration, secrets empty."""
    slug = model.info.slug
    try:
        snapshot = get_snapshot(slug, business, account)
    except ConfigurationError as error:
        if error.code != "unknown_business":
            raise
        values, source, configured = default_config(slug), "default", False
        environment = values.get("environment", "sandbox")
    else:
        values, source = dict(snapshot.values), snapshot.source
        configured, environment = snapshot.configured, snapshot.environment
    ordered = {name: values.get(name, "") for name in model.config_fields()}
    documented = {name: values.get(name, "") for name in model.aliases}
    return {
        **ordered,
        **documented,
        **dict.fromkeys(model.secret_fields(), ""),
        "source": source,
        "configured": configured,
        "environment": environment,
        "business": business,
    }
