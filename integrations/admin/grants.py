"""Who may see which business: for superusers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from integrations.access import Scope
from integrations.admin.history import TrailHistoryAdmin
from integrations.admin.token_form import user_field
from integrations.models import BusinessGrant
from integrations.models.access import EVERY_BUSINESS

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[BusinessGrant]
else:
    _ModelForm = forms.ModelForm

FIRST_GRANT = (
    "As long as nobody has a grant, every user sees the installation. From the first grant on, "
    "a user without one sees nothing: give the others theirs too. Superusers see everything."
)


class GrantForm(_ModelForm):
    """Whom, and which business."""

    user = user_field()

    class Meta:
        model = BusinessGrant
        fields = ("user", "business")


@admin.register(BusinessGrant)
class BusinessGrantAdmin(TrailHistoryAdmin):
    """Grants are given and taken away, never changed: the trail tells each of both."""

    list_display = ("user", "business_shown", "created_at")
    list_filter = ()
    list_select_related = ("user",)
    search_fields = ("user__username", "business")
    search_help_text = "User name or business key"
    form = GrantForm
    fieldsets = ((None, {"fields": ("user", "business"), "description": FIRST_GRANT}),)
    ordering = ("user__username", "business")

    def narrow_rows(self, rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
        """All: only superusers come here."""
        return rows

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers: whoever may give grants may see everything."""
        return bool(getattr(request.user, "is_superuser", False))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers."""
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers."""
        return self.has_module_permission(request)

    @admin.display(description="business", ordering="business")
    def business_shown(self, grant: BusinessGrant) -> str:
        """The key in words where it means more than one business, or none."""
        names = {EVERY_BUSINESS: "Every business", "": "The installation"}
        return names.get(grant.business, grant.business)
