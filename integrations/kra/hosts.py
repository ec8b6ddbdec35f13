"""Moving the secrets of a row to KRA's new host, where they can't be typed again.

Secrets are bound to the hosts they were typed for, and KRA hands the communication key out once.
Only an operator with a shell moves them: no page and no API does.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from integrations.exceptions import InvalidInput
from integrations.models import AuditEntry, Environment, KRASettings


def move_host(row: KRASettings, *, etims: str = "", gavaconnect: str = "") -> KRASettings:
    """Let a row's calls, and its kept secrets, go to other addresses from now on; audited.

    Raises InvalidInput naming the field whose address can't be.
    """
    live = row.environment == Environment.PRODUCTION
    names = ("base_url", "gavaconnect_url") if live else ("sandbox_url", "gavaconnect_sandbox_url")
    with transaction.atomic():
        moved: KRASettings = KRASettings.objects.select_for_update().get(pk=row.pk)
        for name, url in zip(names, (etims, gavaconnect), strict=True):
            if url:
                setattr(moved, name, url)
        _check(moved)
        moved.save()
        hosts = moved.outbound_hosts()
        KRASettings.objects.filter(pk=moved.pk).update(secret_hosts=hosts)
        AuditEntry.objects.record(
            "settings.host_moved",
            target=moved,
            business=moved.business,
            fields=[name for name, url in zip(names, (etims, gavaconnect), strict=True) if url],
            detail=f"The secrets go to {', '.join(hosts)}.",
        )
    moved.refresh_from_db()
    return moved


def _check(row: KRASettings) -> None:
    """All rules but the one that is to be set aside."""
    try:
        row.full_clean()
    except ValidationError as error:
        for name, errors in error.error_dict.items():
            reasons = [each for each in errors if each.code != "host_not_confirmed"]
            if reasons:
                raise InvalidInput(name, " ".join(reasons[0].messages)) from None
