"""KRA's settings: as any settings, and the one button that is pressed once for each device."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from integrations.admin.confirm import confirmation
from integrations.admin.kra_words import device_badge
from integrations.admin.settings_admin import SettingsAdmin
from integrations.config.rows import describe_row, row_snapshot
from integrations.exceptions import IntegrationError
from integrations.kra.config import branch_key, has_device
from integrations.kra.device import initialise_device
from integrations.kra.warnings import warnings_of
from integrations.models import DeviceState, KRABranch, KRASettings

PERMISSION = "integrations.initialise_krabranch"
DONE = "KRA initialised the control unit {unit}; its key is stored, encrypted."
CAUTIONS = (
    "It hands the communication key out once. The key is stored here, encrypted; nobody sees it.",
    "Is the device initialised already? Then paste its key and its ids into the settings instead.",
)
TICK = "We know from KRA that it did not initialise this device."


@admin.register(KRASettings)
class KRASettingsAdmin(SettingsAdmin):
    """The list shows each branch and its device."""

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """With the branch and how far its device is."""
        shown = super().get_list_display(request)
        return [*shown[:-1], "branch_code", "transport", "device_shown", shown[-1]]

    def get_list_filter(self, request: HttpRequest) -> Any:
        """With the transport."""
        return [*super().get_list_filter(request), "transport"]

    def get_urls(self) -> list[URLPattern]:
        """The device's page before Django's own."""
        view = self.admin_site.admin_view(self.device_view)
        name = "integrations_krasettings_device"
        return [path("<int:pk>/change/device/", view, name=name), *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False,
        change: bool = False, form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """With the way to the device's page while there is something to initialise."""
        if obj is not None:
            saved = self.get_queryset(request).get(pk=obj.pk)
            context["device_words"] = warnings_of([saved]).get(saved.pk, [])
            if request.user.has_perm(PERMISSION) and _is_waiting(saved):
                context["device_url"] = _device_url(saved)
        return super().render_change_form(request, context, add, change, form_url, obj)

    @admin.display(description="device")
    def device_shown(self, row: KRASettings) -> SafeString | str:
        """How far the control unit is, as a badge; "-" for a row without one."""
        if _snapshot_has_device(row):
            return device_badge(DeviceState.READY).render()
        branch = _branch(row)
        if branch is None and not row.device_serial:
            return "-"
        return device_badge(branch.device_state if branch else DeviceState.NONE).render()

    def device_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Ask, and then initialise the device. Raises PermissionDenied, Http404."""
        row = self.get_object(request, str(pk))
        if row is None:
            raise Http404("There are no such settings.")
        if not (self.has_change_permission(request, row) and request.user.has_perm(PERMISSION)):
            raise PermissionDenied
        back = reverse("admin:integrations_krasettings_change", args=[row.pk])
        if request.method != "POST" or not request.POST.get("confirmed"):
            return self._ask(request, row, back)
        is_again = bool(request.POST.get("accepted"))
        try:
            config = row_snapshot("kra", row.business, describe_row(row), source="row")
            branch = initialise_device(config, request.user, again=is_again)
        except IntegrationError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, DONE.format(unit=branch.control_unit_id))
        return HttpResponseRedirect(back)

    def _ask(self, request: HttpRequest, row: KRASettings, back: str) -> HttpResponseBase:
        branch = _branch(row)
        was_asked = branch is not None and branch.device_state in (
            DeviceState.REFUSED, DeviceState.UNKNOWN,
        )  # fmt: skip
        told = [branch.device_message] if branch is not None and branch.device_message else []
        return confirmation(
            self, request, title="Initialise device",
            lines=[_what(row), *CAUTIONS, *told],
            button="Initialise device", back=back, tick=TICK if was_asked else "",
            is_grave=True,
        )  # fmt: skip


def _what(row: KRASettings) -> str:
    serial = row.device_serial or "without a serial"
    return (
        f"KRA ({row.get_environment_display()}) initialises the device {serial} of {row.kra_pin} "
        f"branch {row.branch_code or '-'}."
    )


def _device_url(row: KRASettings) -> str:
    return reverse("admin:integrations_krasettings_device", args=[row.pk])


def _snapshot_has_device(row: KRASettings) -> bool:
    return has_device(row_snapshot("kra", row.business, describe_row(row), source="row"))


def _is_waiting(row: KRASettings) -> bool:
    return bool(row.device_serial) and not _snapshot_has_device(row)


def _branch(row: KRASettings) -> KRABranch | None:
    config = row_snapshot("kra", row.business, describe_row(row), source="row")
    return KRABranch.objects.filter(key=branch_key(config)).first()
