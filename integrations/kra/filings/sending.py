"""File once: stored and committed, then sent, never a second time by itself.

Source: eTIMS reference, section 11 (NIL and PRN calls are writes with legal effect).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.config import Snapshot
from integrations.exceptions import IntegrationError, InvalidInput
from integrations.kra import gava_writes
from integrations.kra.digests import digest_of
from integrations.kra.filings.returns import Wanted
from integrations.models import AuditEntry, FilingState, KRAFiling, has_actor
from integrations.money import parse_amount
from integrations.providers.kra.client.gavaconnect import GavaAnswer, GavaClient, told, told_text

S = FilingState
_NO_NUMBER = "KRA accepted this and told no number: look for it on iTax."


def file(
    config: Snapshot, wanted: Wanted, *, by: AbstractBaseUser | None = None
) -> tuple[KRAFiling, bool]:
    """(the filing, whether it is new): what became of it is its `state`.

    The same key with the same content again is answered by the first filing, and sends nothing; a
    refused one may be filed again. Raises IntegrationError (code "open_transaction"), InvalidInput
    (code "idempotency_mismatch") for the key of another content, or "not_yours" for the PIN of
    another business, and ConfigurationError.
    """
    gava_writes.refuse_open_transaction("A filing")
    field = "withholder_pin" if _is_withheld(wanted) else "kra_pin"
    gava_writes.refuse_anothers_pin(config, wanted.kra_pin, field)
    client = GavaClient(config)
    body = client.body_of(wanted.kind.value, wanted.values)
    row, is_new = _store(config, wanted, body, by)
    if is_new:
        _send(client, row)
    return row, is_new


def _store(
    config: Snapshot, wanted: Wanted, body: dict[str, Any], by: AbstractBaseUser | None
) -> tuple[KRAFiling, bool]:
    """Committed before the socket opens. Of two at once the index lets one in."""
    about: dict[str, Any] = {
        "environment": config.environment,
        "kra_pin": wanted.kra_pin,
        "kind": wanted.kind,
        "key": wanted.key,
    }
    row = KRAFiling(
        **about,
        business=config.business,
        period=wanted.period,
        body=body,
        digest=digest_of(body),
        amount=wanted.amount,
        requested_by_id=by.pk if by is not None else None,
    )
    try:
        with transaction.atomic(durable=True):
            row.save()
            if has_actor():
                AuditEntry.objects.record("kra.filed", target=row, business=row.business)
        return row, True
    except IntegrityError:
        found = KRAFiling.objects.exclude(state=S.REFUSED).filter(**about).first()
    if found is None:  # refused in between
        raise IntegrationError("The filing could not be stored; try again.", code="not_stored")
    return _first(found, row), False


def _first(found: KRAFiling, row: KRAFiling) -> KRAFiling:
    if found.business != row.business:
        raise InvalidInput("kra_pin", "another business has filed this for the PIN already.")
    if found.digest != row.digest:
        raise InvalidInput(
            "unique_number" if "transactionHeader" in row.body else "period",
            "was filed already, with another content.",
            code="idempotency_mismatch",
        )
    return found


def _send(client: GavaClient, row: KRAFiling) -> None:
    """Each outcome is a state; a crash in between is found by `find_lost_filings`."""
    try:
        answer = gava_writes.send_once(
            lambda: client.send(row.kind, row.body, reference=str(row.public_id))
        )
    except gava_writes.NotDone as outcome:
        error = outcome.error
        finish(row, S.REFUSED, result_code=error.code[:40], message=error.message)
    except gava_writes.InDoubt as outcome:
        error = outcome.error
        finish(
            row, S.UNKNOWN, result_code=error.code[:40], message=error.message,
            attention=gava_writes.IN_DOUBT,
        )  # fmt: skip
    else:
        finish(row, S.ACCEPTED, **_told(row, answer))


def _told(row: KRAFiling, answer: GavaAnswer) -> dict[str, Any]:
    found = told(answer.data, "responseData")
    data = {**answer.data, **(found if isinstance(found, dict) else {})}
    acknowledgement = told_text(data, "AckNumber", limit=100)
    number = told_text(data, "prnNumber", "PRN", limit=100)
    changes: dict[str, Any] = {
        "acknowledgement": acknowledgement,
        "payment_number": number,
        "response_payload": answer.data,
        "result_code": answer.code,
        "message": answer.text,
        "attention": "" if acknowledgement or number else _NO_NUMBER,
    }
    amount = _amount(told_text(data, "prnAmount", "TaxPayable"))
    if amount is not None:
        changes["amount"] = amount
        if row.amount is not None and number and amount != row.amount and _is_withheld(row):
            changes["attention"] = f"KRA's PRN is over {amount}, ours was {row.amount}."
    return changes


def _is_withheld(row: KRAFiling | Wanted) -> bool:
    return row.kind.startswith("withholding")


def _amount(text: str) -> Decimal | None:
    try:
        return round(parse_amount(text.replace(",", "")), 2)
    except InvalidInput:
        return None


def finish(row: KRAFiling, state: FilingState, **changes: Any) -> None:
    """Store the answer. One that comes after the look for lost filings still counts; what a
    person has settled stays."""
    for name in ("message", "attention"):
        changes[name] = str(changes.get(name, ""))[:300]
    now = timezone.now()
    waiting = KRAFiling.objects.filter(pk=row.pk, state__in=[S.SENDING, S.UNKNOWN])
    waiting.update(state=state, completed_at=now, updated_at=now, **changes)
    row.refresh_from_db()
