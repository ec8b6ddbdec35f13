"""What the installation uses, and its encryption key."""

from __future__ import annotations

from typing import Any

from cryptography.fernet import InvalidToken, MultiFernet
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from integrations import registry
from integrations.access import Scope, request_scope
from integrations.admin.badges import BADGE_CSS, Badge
from integrations.admin.history import TrailHistoryAdmin
from integrations.admin.secret_form import SecretForm
from integrations.conf import hub_settings
from integrations.config.key_source import OWN_MODEL
from integrations.crypto import Secret
from integrations.crypto.keys import environment_keys, make_ring, split_keys
from integrations.exceptions import IntegrationError
from integrations.models import AppSettings, InboundCallback, Integrations

CALLBACKS_TRIED = 50


@admin.register(Integrations)
class IntegrationsAdmin(TrailHistoryAdmin):
    """The integrations in use, each with its switch.

    A row belongs to no business: whoever has the permission sees it, and only people who see
    every business may change it, since its switch reaches all of them.
    """

    list_display = ("label", "integration_type", "state_shown", "is_default", "updated_at")
    list_filter = ("integration_type", "is_active")
    readonly_fields = ("created_at", "updated_at")

    class Media:
        css = BADGE_CSS

    def narrow_rows(self, rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
        """All of them."""
        return rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Django's, for people who see every business."""
        return request_scope(request).is_all and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Django's, for people who see every business."""
        return request_scope(request).is_all and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Django's, for people who see every business."""
        return request_scope(request).is_all and super().has_delete_permission(request, obj)

    @admin.display(description="integration", ordering="name")
    def label(self, row: Integrations) -> str:
        """The name that people know."""
        return row.get_name_display()

    @admin.display(description="state", ordering="is_active")
    def state_shown(self, row: Integrations) -> SafeString:
        """On or off, as a badge."""
        badge = Badge("In use", "good") if row.is_active else Badge("Switched off", "calm")
        return badge.render()


class AppSettingsForm(SecretForm):
    """The key row. Refuses a key that would make stored secrets unreadable."""

    def clean(self) -> dict[str, Any] | None:
        """Typed keys sealed, and tried on what is stored."""
        cleaned = super().clean()
        key = self.cleaned_data.get("cypher_key")
        if isinstance(key, Secret) and "cypher_key" not in self.errors:
            lost = count_lost(split_keys(key.reveal()))
            if lost:
                raise ValidationError(
                    {
                        "cypher_key": f"{lost} stored secrets could not be read any more. Add "
                        "the old key after the new one, separated by a comma."
                    }
                )
        return cleaned


def count_lost(keys: list[str]) -> int:
    """How many secrets that are readable now these database keys would make unreadable.

    Looks at every settings row, the key row's other field and the newest callbacks.
    """
    usable = [*keys, *environment_keys()]
    ring = make_ring(usable) if usable else None
    readable = [secret for secret in _stored_secrets() if _opens(secret)]
    return sum(ring is None or not _opens_with(ring, secret) for secret in readable)


def _stored_secrets() -> list[Secret]:
    found: list[Secret] = []
    for item in registry.integrations():
        model = registry.settings_model(item.slug)
        for values in model._default_manager.values_list(*model.secret_fields()):
            found += [secret for secret in values if secret]
    found += [row.app_key for row in AppSettings.objects.only("app_key") if row.app_key]
    return [*found, *(row.body for row in InboundCallback.objects.only("body")[:CALLBACKS_TRIED])]


def _opens(secret: Secret) -> bool:
    try:
        secret.reveal()
    except IntegrationError:
        return False
    return True


def _opens_with(ring: MultiFernet, secret: Secret) -> bool:
    try:
        ring.decrypt(secret.token.encode())
    except InvalidToken:
        return False
    return True


class AppSettingsAdmin(TrailHistoryAdmin):
    """The one row that may hold the encryption key. Superusers only; it can't be deleted here."""

    form = AppSettingsForm
    list_display = ("name",)
    fields = ("name", "cypher_key", "app_key")

    class Media:
        css = BADGE_CSS

    def narrow_rows(self, rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
        """The row belongs to no business; its permissions say who sees it."""
        return rows

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers, once: the row with the lowest id counts."""
        return bool(request.user.is_superuser) and not AppSettings.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: with the row would go the key to everything stored under it."""
        return False


if hub_settings.app_settings_model == OWN_MODEL:
    admin.site.register(AppSettings, AppSettingsAdmin)
