"""Who is behind a PIN, by eTIMS's own look-up, remembered for a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from integrations.config import Snapshot
from integrations.exceptions import InvalidInput, TransportError
from integrations.kra.config import branch_of, require_device
from integrations.kra.lists.records import keep_records, record
from integrations.kra.lists.rows import rows_of
from integrations.models import KRABranch, KRARecord, RecordKind
from integrations.models.kra_rules import PIN
from integrations.providers.kra.client import EtimsClient
from integrations.providers.kra.payloads.values import clean_text

FRESH = timedelta(days=1)


def find_taxpayer(config: Snapshot, pin: object, *, refresh: bool = False) -> dict[str, Any]:
    """What KRA tells of a PIN: `found`, `pin`, `name`, `status`, `data`, `as_of`, `from_cache`.

    Asked at most once a day unless `refresh`; while KRA does not answer, an older answer is
    given, with its time. Raises InvalidInput, and what the client raises.
    """
    wanted = pin.strip().upper() if isinstance(pin, str) else ""
    if not PIN.fullmatch(wanted):
        raise InvalidInput("pin", "must be a letter, 9 digits and a letter.", code="invalid_pin")
    branch = branch_of(config)
    known = _known(branch, wanted)
    if known is not None and not refresh and known.updated_at > timezone.now() - FRESH:
        return _told(known, from_cache=True)
    require_device(config)
    try:
        reply = EtimsClient(config).call("find_customer", {"custmTin": wanted})
    except TransportError:
        if known is None or refresh:
            raise
        return _told(known, from_cache=True)
    row = _row(rows_of(reply.data, "custList"), wanted)
    if row is None:
        return {
            "found": False, "pin": wanted, "name": "", "status": "", "data": {},
            "as_of": timezone.now().isoformat(), "from_cache": False,
        }  # fmt: skip
    name = clean_text(row.get("taxprNm"), 300)
    keep_records(
        [record(branch, RecordKind.TAXPAYER, wanted, name=name, data=row, of_branch=False)]
    )
    return _told(_records(branch, wanted).get(), from_cache=False)


def _known(branch: KRABranch, pin: str) -> KRARecord | None:
    return _records(branch, pin).first()


def _records(branch: KRABranch, pin: str) -> QuerySet[KRARecord]:
    return KRARecord.objects.filter(
        environment=branch.environment,
        tin=branch.tin,
        bhf_id="",
        kind=RecordKind.TAXPAYER,
        key=pin,
    )


def _row(rows: list[Mapping[str, Any]], pin: str) -> Mapping[str, Any] | None:
    """KRA's row about this PIN; an answer about somebody else is none."""
    for row in rows:
        if clean_text(row.get("tin"), 20).upper() in {pin, ""}:
            return row
    return None


def _told(kept: KRARecord, *, from_cache: bool) -> dict[str, Any]:
    return {
        "found": True,
        "pin": kept.key,
        "name": kept.name,
        "status": str(kept.data.get("taxprSttsCd") or ""),
        "data": kept.data,
        "as_of": kept.updated_at.isoformat(),
        "from_cache": from_cache,
    }
