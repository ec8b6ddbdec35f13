"""The page of key rotation, for superusers: it starts and watches, the worker does the work.

No key is ever shown or typed here: the product makes the new one and keeps it wrapped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from integrations.admin.confirm import confirmation
from integrations.admin.read_only import ReadOnlyAdmin
from integrations.config import rotation as rotations
from integrations.crypto.keyring import fingerprint
from integrations.crypto.keys import environment_keys
from integrations.exceptions import IntegrationError
from integrations.models import AuditEntry, KeyRotation, RotationKind, RotationStage
from integrations.work import WorkState

PAGE = "admin:integrations_rotation"
# More than this is no work for a web request; the command has all the time that it needs.
VERIFIED_HERE = 100_000
INTO_DATABASE = (
    "The key lives in CYPHER_KEY alone today. The new key is kept in the database, wrapped by "
    "CYPHER_KEY, which stays and is still needed."
)


class Step(NamedTuple):
    """One thing that can be started here: what is asked first, and what is done then.

    `begin` is told whether the page's box was ticked.
    """

    title: str
    lines: list[str]
    button: str
    begin: Callable[[bool], Any]
    done: str
    tick: str = ""


def _stored() -> str:
    count = rotations.count_stored()
    return f"{count:,} stored secret{'' if count == 1 else 's'}"


def start_step() -> Step:
    """A new key, into the key row."""
    is_new_place = not rotations.database_keys()
    lines = [
        f"A new key is made, and {_stored()} are put under it while everything is served on.",
        "A worker does it in stages. The old key opens what it opened until you retire it.",
    ]
    return Step(
        "Rotate the encryption key", [*lines, *([INTO_DATABASE] if is_new_place else [])],
        "Make a new key and start",
        lambda accepted: rotations.start_rotation(into_database=accepted or not is_new_place),
        "The rotation has started.",
        tick="Keep the new key in the database." if is_new_place else "",
    )  # fmt: skip


def reencrypt_step() -> Step:
    """Under the first key as it is: after an operator changed CYPHER_KEY."""
    return Step(
        "Re-encrypt under the first key",
        [f"{_stored()} are put under the key that encrypts now. No new key is made.",
         "Do this after you changed CYPHER_KEY for every process and restarted them all."],
        "Start", lambda _: rotations.start_reencryption(), "The re-encryption has started.",
    )  # fmt: skip


def retire_step() -> Step:
    """Old keys away."""
    ended = _retirable()
    unreadable = ended.unreadable if ended else 0
    lines = [
        f"First it is looked whether the first key alone opens {_stored()}.",
        "Only then are the old keys removed.",
        "Keep the old key somewhere safe for as long as you keep backups made under it.",
    ]
    if unreadable:
        lines.append(f"{unreadable:,} stored values open with no key. They stay unreadable.")
    return Step(
        "Retire the old keys", lines, "Remove the old keys",
        lambda accepted: rotations.start_retiring(accept_unreadable=accepted),
        "The old keys are being retired.",
        tick="Retire them although some values are unreadable." if unreadable else "",
    )  # fmt: skip


def _retirable() -> KeyRotation | None:
    """The rotation whose old keys would be retired."""
    ended = KeyRotation.objects.exclude(kind=RotationKind.LEGACY)
    return ended.filter(stage=RotationStage.VERIFIED, is_active=False).first()


def resume_step() -> Step:
    """Go on with what was given up."""
    return Step(
        "Go on with the rotation",
        ["The rotation was given up after many failures. Mend the cause first."],
        "Go on", lambda _: _resume(), "The rotation goes on.",
    )  # fmt: skip


def _resume() -> None:
    active = rotations.active_rotation()
    if active is not None:
        with transaction.atomic():
            AuditEntry.objects.record("encryption_key.resumed", target=active)
            rotations.resume(active)


STEPS: dict[str, Callable[[], Step]] = {
    "start": start_step,
    "reencrypt": reencrypt_step,
    "retire": retire_step,
    "resume": resume_step,
}


@admin.register(KeyRotation)
class RotationAdmin(ReadOnlyAdmin):
    """One page: the present rotation, and what can be started."""

    class Media:
        js = ("integrations/refresh.js",)

    def get_urls(self) -> list[URLPattern]:
        """The page and its steps; there are no rows to open."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.page_view), name="integrations_rotation"),
            path("", wrap(self.page_view), name="integrations_keyrotation_changelist"),
            path("verify/", wrap(self.verify_view), name="integrations_rotation_verify"),
            *(
                path(
                    f"{name}/",
                    wrap(self.step_view),
                    {"name": name},
                    f"integrations_rotation_{name}",
                )
                for name in STEPS
            ),
        ]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers."""
        return bool(getattr(request.user, "is_superuser", False))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return self.has_view_permission(request)

    def page_view(self, request: HttpRequest) -> HttpResponseBase:
        """Where the rotation stands; raises PermissionDenied."""
        return self._page(request)

    def verify_view(self, request: HttpRequest) -> HttpResponseBase:
        """Count what stands under which key; reads everything, changes nothing."""
        if request.method != "POST":
            return HttpResponseRedirect(reverse(PAGE))
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            if rotations.count_stored() > VERIFIED_HERE:
                messages.error(
                    request,
                    f"These are more than {VERIFIED_HERE:,} secrets: verify them with "
                    "manage.py rotate_encryption_key --verify.",
                )
                return HttpResponseRedirect(reverse(PAGE))
            found = rotations.survey_all(rotations.present_keys())
        except (IntegrationError, DatabaseError) as error:
            return _failed(request, error)
        left = sum(count.older + count.unreadable for count in found.values())
        AuditEntry.objects.record(
            "encryption_key.surveyed", detail=f"{left} do not open with the first key alone."
        )
        return self._page(request, survey=found.items(), left=left)

    def step_view(self, request: HttpRequest, name: str) -> HttpResponseBase:
        """Ask, and then start the step. What stands in its way is told in words."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            step = STEPS[name]()
            if request.method != "POST" or not request.POST.get("confirmed"):
                return confirmation(
                    self, request, title=step.title, lines=step.lines, button=step.button,
                    tick=step.tick, back=reverse(PAGE), is_grave=name == "retire",
                )  # fmt: skip
            rotations.restore_lost_key()
            step.begin(bool(request.POST.get("accepted")))
        except (IntegrationError, DatabaseError) as error:
            return _failed(request, error)
        messages.success(request, step.done)
        return HttpResponseRedirect(reverse(PAGE))

    def _page(self, request: HttpRequest, **more: Any) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        rotation = rotations.last_rotation()
        context = {
            **self.admin_site.each_context(request),
            "title": "Key rotation",
            "rotation": rotation,
            **_facts(rotation),
            "keys": _keys_in_use(),
            "opts": self.opts,
            "media": self.media,
            **more,
        }
        return TemplateResponse(request, "admin/integrations/rotation.html", context)


def _facts(rotation: KeyRotation | None) -> dict[str, Any]:
    """What the page may offer, and how far the pass is, in percent."""
    is_idle = rotation is None or not rotation.is_active
    facts = {"is_idle": is_idle, "can_retire": is_idle and _retirable() is not None}
    if rotation is None:
        return facts
    is_legacy = rotation.kind == RotationKind.LEGACY
    is_dead = rotation.work_state == WorkState.DEAD
    return {
        **facts,
        "can_resume": not is_idle and not is_legacy and is_dead,
        "is_legacy": is_legacy,
        "percent": min(100, 100 * rotation.seen // rotation.total) if rotation.total else 0,
    }


def _keys_in_use() -> str:
    """Keys by their fingerprints: four digits that tell them apart and reveal nothing."""
    try:
        row, outer = rotations.database_keys(), environment_keys()
        first = rotations.present_keys()[0]
    except IntegrationError as error:
        return error.message
    shown = [", ".join(map(fingerprint, keys)) or "none" for keys in (row, outer)]
    return (
        f"{shown[0]} in the key row, {shown[1]} in CYPHER_KEY. {fingerprint(first)} encrypts. "
        "These are fingerprints, no parts of keys."
    )


def _failed(request: HttpRequest, error: Exception) -> HttpResponseBase:
    if isinstance(error, IntegrationError):
        messages.error(request, error.message)
    else:
        messages.error(request, "The database refused it; try again in a moment.")
    return HttpResponseRedirect(reverse(PAGE))
