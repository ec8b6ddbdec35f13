"""Who could approve: whether a request has any chance to be decided."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from django.db.models.functions import Now

from integrations.access import scope_of
from integrations.approvals.kinds import get_kind, kinds
from integrations.models import Approval, ApprovalState

# Holders of the permission that are looked at; with more of them nothing is said.
LOOKED_AT = 200
BACKEND = "django.contrib.auth.backends.ModelBackend"


def kinds_of(user: Any) -> list[str]:
    """The names of the kinds that `user` has the permission to decide."""
    return [kind.name for kind in kinds() if user.has_perm(kind.permission)]


def decidable_by(user: Any, rows: QuerySet[Approval]) -> QuerySet[Approval]:
    """Those of `rows` that wait for `user`: open, in time, of a kind it may decide, not its own.

    Businesses are the caller's affair: `rows` are those that the user may see.
    """
    waiting = rows.filter(state=ApprovalState.OPEN, expires_at__gt=Now(), kind__in=kinds_of(user))
    return waiting.exclude(requested_by=user.pk)


def no_approver_words(approval: Approval) -> str:
    """Words for whoever asked, where nobody else could approve; "" where somebody could.

    Nothing is said either where it can't be found out: a host's own user model may not know who
    holds a permission.
    """
    permission = get_kind(approval.kind).permission
    candidates = _holders(permission, besides=approval.requested_by_id)
    if candidates is None or len(candidates) > LOOKED_AT:
        return ""
    if any(scope_of(user).allows(approval.business) for user in candidates):
        return ""
    who = "Nobody but you" if approval.requested_by_id else "Nobody"
    return (
        f'{who} may approve this: give another person the permission "{_name_of(permission)}" '
        "and access to this business."
    )


def _holders(permission: str, *, besides: Any) -> list[Any] | None:
    """Active users with the permission, superusers included; None where it can't be asked."""
    with_perm = getattr(get_user_model()._default_manager, "with_perm", None)
    if with_perm is None:
        return None
    found = with_perm(permission, backend=BACKEND).exclude(pk=besides)
    return list(found.order_by("-is_superuser", "pk")[: LOOKED_AT + 1])


def _name_of(permission: str) -> str:
    app, _, codename = permission.partition(".")
    row = Permission.objects.filter(content_type__app_label=app, codename=codename).first()
    return row.name if row else permission
