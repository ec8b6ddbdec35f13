"""Users and groups in the admin's look, safe to hand to staff who are no superusers."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from integrations.access import Scope, request_scope
from integrations.admin.badges import BADGE_CSS
from integrations.admin.history import TrailHistoryAdmin
from integrations.models import AuditEntry

if TYPE_CHECKING:
    from django.contrib.auth.forms import AdminPasswordChangeForm as DjangoPasswordForm

    _PasswordForm = DjangoPasswordForm[Any]
    _UserAdmin = DjangoUserAdmin[Any]
else:
    _PasswordForm = AdminPasswordChangeForm
    _UserAdmin = DjangoUserAdmin

# Whoever could give these could give more than their own.
POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")
# The parts in which a new account's password is typed.
PASSWORD_PARTS = {"usable_password", "password1", "password2"}


class PasswordForm(_PasswordForm):
    """Another one's password; the trail says whose was changed."""

    def save(self, commit: bool = True) -> Any:
        """Save, with an entry in the audit trail."""
        with transaction.atomic():
            user = super().save(commit)
            AuditEntry.objects.record("user.password_changed", target=user, fields=["password"])
        return user


def permissions_of(user: Any) -> set[str]:
    """What the account may do, or could once it is switched on again."""
    fresh = copy(user)
    fresh.is_active = True
    for cached in ("_perm_cache", "_user_perm_cache", "_group_perm_cache"):
        fresh.__dict__.pop(cached, None)
    return set(fresh.get_all_permissions())


class PeopleAdmin(TrailHistoryAdmin):
    """Pages about accounts: they belong to no business, and act on all of them."""

    class Media:
        css = BADGE_CSS

    def narrow_rows(self, rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
        """All of them."""
        return rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Django's, for people who see every business."""
        return self.may_touch(request, None) and super().has_add_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Django's, for people who see every business."""
        return self.may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Django's, for people who see every business."""
        return self.may_touch(request, obj) and super().has_delete_permission(request, obj)

    def may_touch(self, request: HttpRequest, obj: Any) -> bool:
        """Whether the account is within the user's reach; None is any that the user may touch."""
        return request_scope(request).is_all

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save groups and permissions too, and record the names of all changed fields."""
        super().save_related(request, form, formsets, change)
        changed = set(form.changed_data)
        fields = (changed - PASSWORD_PARTS) | ({"password"} if changed & PASSWORD_PARTS else set())
        self.record("changed" if change else "created", form.instance, fields)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete, with an entry in the audit trail."""
        with transaction.atomic():
            self.record("deleted", obj)
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """One by one, and only what the user may touch."""
        with transaction.atomic():
            for row in queryset:
                if self.may_touch(request, row):
                    self.delete_model(request, row)

    def record(self, what: str, obj: Model, fields: Collection[str] = ()) -> None:
        """Add an entry about the account or group to the audit trail."""
        action = f"{self.opts.model_name}.{what}"
        AuditEntry.objects.record(action, target=obj, fields=sorted(fields))


class UserAdmin(PeopleAdmin, _UserAdmin):
    """Accounts. Nobody reaches one that may do more than they: its password would be theirs."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = PasswordForm
    # The theme's class has none, and would hide Django's: accounts without a name.
    add_fieldsets = DjangoUserAdmin.add_fieldsets
    list_display = ("username", "first_name", "last_name", "is_active", "is_staff", "last_login")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """All accounts for people who see every business, their own for others."""
        rows = super().get_queryset(request)
        return rows if self._sees_all(request) else rows.filter(pk=request.user.pk)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Django's, for the accounts of the list."""
        is_in_list = obj is None or obj.pk == request.user.pk or self._sees_all(request)
        return is_in_list and super().has_view_permission(request, obj)

    def may_touch(self, request: HttpRequest, obj: Any) -> bool:
        """For people who see every business: no superuser's, and none that may do more.

        Its businesses need no look: theirs are all.
        """
        if request.user.is_superuser:
            return True
        if not super().may_touch(request, obj):
            return False
        if obj is None:
            return True
        return not obj.is_superuser and permissions_of(obj) <= permissions_of(request.user)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What gives power is for superusers to give."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else (*fields, *POWERS)

    @staticmethod
    def _sees_all(request: HttpRequest) -> bool:
        return bool(request.user.is_superuser) or request_scope(request).is_all


class GroupAdmin(PeopleAdmin, DjangoGroupAdmin):
    """Groups give permissions, so superusers alone change them."""

    def may_touch(self, request: HttpRequest, obj: Any) -> bool:
        """Superusers."""
        return bool(request.user.is_superuser)


def register_people(site: admin.AdminSite = admin.site) -> None:
    """Take the place of Django's own two pages; a host's user model keeps its own page."""
    for model, page in ((User, UserAdmin), (Group, GroupAdmin)):
        present = site._registry.get(model)
        if type(present) in (DjangoUserAdmin, DjangoGroupAdmin):
            site.unregister(model)
            site.register(model, page)
