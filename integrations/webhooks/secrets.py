"""Secrets of endpoints: made, shown once, replaced with an overlap in which both sign.

Webhooks reference, section 5. What an attempt is signed with is decided when it is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from integrations.exceptions import ConfigurationError, InvalidInput
from integrations.models import AuditEntry, SigningKind, WebhookEndpoint, WebhookFormerSecret
from integrations.webhooks import signing

OVERLAP_HOURS = 24.0
LONGEST_OVERLAP_HOURS = 30 * 24.0
# Each adds a signature to every header.
MOST_FORMER = 10
PURGE_BATCH = 500


@dataclass(frozen=True, slots=True)
class Issued:
    """What was made, for the one time that it is shown.

    `secret` is "" where nothing secret is to be shown: of an ed25519 pair the receiver gets
    `public_key` alone. `former_until` is when the replaced one signs for the last time.
    """

    kind: SigningKind
    secret: str = field(default="", repr=False)
    public_key: str = ""
    former_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A key that signs now; one that was replaced only until `until` (Unix seconds)."""

    kind: SigningKind
    sign: signing.Sign = field(repr=False)
    until: float = math.inf
    # False for a text of the original project, which a person may have chosen.
    is_random: bool = True


def give_secret(endpoint: WebhookEndpoint) -> Issued:
    """Fill in what the endpoint lacks to sign: a secret, and a key pair where it is asymmetric.

    One that was typed stays, and is not shown. A new row is not saved here, a stored one is.
    """
    made, fields = "", []
    if not endpoint.secret:
        made = signing.new_secret()
        endpoint.secret = made
        fields.append("secret")
    if endpoint.is_asymmetric and not endpoint.asymmetric_key:
        endpoint.asymmetric_key, endpoint.public_key = signing.new_key_pair()
        fields += ["asymmetric_key", "public_key"]
    if fields and not endpoint._state.adding:
        endpoint.save(update_fields=[*fields, "updated_at"])
    return Issued(SigningKind.SYMMETRIC, made, endpoint.public_key)


def rotate_secret(
    endpoint: WebhookEndpoint,
    overlap_hours: float = OVERLAP_HOURS,
    kind: SigningKind | str = SigningKind.SYMMETRIC,
) -> Issued:
    """Replace the endpoint's secret (or key pair), and let the old one sign beside it for a while.

    With 0 hours the old one ends at once, and so do those that were replaced before it: that is
    for a secret that leaked. Two at once come one after the other; each new secret signs until its
    own replacement and overlap are over. Audited. `endpoint` shows the new state afterwards.

    Raises InvalidInput: "overlap_hours", "kind" (v1a where it is not switched on), or "secret"
    where MOST_FORMER still sign.
    """
    kind = _known_kind(kind)
    overlap = _overlap(overlap_hours)
    with transaction.atomic():
        row = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        until = _retire(row, kind, overlap)
        issued = _replace(row, kind, until)
        AuditEntry.objects.record(
            "webhook.secret_rotated",
            target=row,
            business=row.business,
            fields=_fields_of(kind),
            detail=f"{kind.value}, the former one {_ends(until)}.",
        )
    for name in (*_fields_of(kind), "updated_at"):
        setattr(endpoint, name, getattr(row, name))
    return issued


def _known_kind(kind: SigningKind | str) -> SigningKind:
    try:
        return SigningKind(kind)
    except ValueError:
        raise InvalidInput("kind", "must be v1 or v1a") from None


def _overlap(hours: float) -> timedelta:
    try:
        value = float(hours)
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value <= LONGEST_OVERLAP_HOURS:
        reason = f"must be from 0 to {LONGEST_OVERLAP_HOURS:.0f} hours"
        raise InvalidInput("overlap_hours", reason)
    return timedelta(hours=value)


def _retire(row: WebhookEndpoint, kind: SigningKind, overlap: timedelta) -> datetime | None:
    """Keep the present key as a former one; until when, None where it ends now."""
    if kind == SigningKind.ASYMMETRIC and not row.is_asymmetric:
        raise InvalidInput("kind", "v1a is not switched on at this endpoint")
    formers = row.former_secrets.filter(kind=kind)
    if not overlap:
        formers.delete()
        return None
    key = row.secret if kind == SigningKind.SYMMETRIC else row.asymmetric_key
    if not key:
        return None
    now = timezone.now()
    if formers.filter(expires_at__gt=now).count() >= MOST_FORMER:
        reason = f"{MOST_FORMER} former ones still sign: wait, or rotate without overlap"
        raise InvalidInput("secret", reason)
    return WebhookFormerSecret.objects.create(
        endpoint=row, kind=kind, key=key, expires_at=now + overlap
    ).expires_at


def _replace(row: WebhookEndpoint, kind: SigningKind, until: datetime | None) -> Issued:
    if kind == SigningKind.SYMMETRIC:
        secret = signing.new_secret()
        row.secret = secret
        issued = Issued(kind, secret, former_until=until)
    else:
        row.asymmetric_key, row.public_key = signing.new_key_pair()
        issued = Issued(kind, public_key=row.public_key, former_until=until)
    row.save(update_fields=[*_fields_of(kind), "updated_at"])
    return issued


def _fields_of(kind: SigningKind) -> tuple[str, ...]:
    return ("secret",) if kind == SigningKind.SYMMETRIC else ("asymmetric_key", "public_key")


def _ends(until: datetime | None) -> str:
    return f"signs until {until:%Y-%m-%d %H:%M} UTC" if until else "ended at once"


def live_keys(endpoint: WebhookEndpoint, *, now: datetime | None = None) -> list[LiveKey]:
    """What signs now: v1 then v1a, of each the current one first, then the newest former ones.

    A secret that is no `whsec_` text signs v1 with its UTF-8 bytes; without any there is no v1.
    Raises DecryptionError, ConfigurationError (v1a switched on without a key) and InvalidInput.
    """
    keys = [_v1(endpoint.secret.reveal())] if endpoint.secret else []
    formers = endpoint.former_secrets.filter(expires_at__gt=now or timezone.now())
    by_kind: dict[str, list[WebhookFormerSecret]] = {kind: [] for kind in SigningKind.values}
    for former in formers.order_by("-id")[: MOST_FORMER * len(by_kind)]:
        by_kind[former.kind].append(former)
    keys += _formers(by_kind[SigningKind.SYMMETRIC])
    if endpoint.is_asymmetric:
        if not endpoint.asymmetric_key:
            raise ConfigurationError("The endpoint is to sign with ed25519 and has no key for it.")
        keys.append(_v1a(endpoint.asymmetric_key.reveal()))
        keys += _formers(by_kind[SigningKind.ASYMMETRIC])
    return keys


def _formers(rows: Iterable[WebhookFormerSecret]) -> list[LiveKey]:
    make = {SigningKind.SYMMETRIC.value: _v1, SigningKind.ASYMMETRIC.value: _v1a}
    return [make[row.kind](row.key.reveal(), row.expires_at.timestamp()) for row in rows]


def _v1(text: str, until: float = math.inf) -> LiveKey:
    sign = signing.v1_signer(signing.key_bytes(text))
    return LiveKey(SigningKind.SYMMETRIC, sign, until, is_random=signing.is_standard(text))


def _v1a(text: str, until: float = math.inf) -> LiveKey:
    key = signing.decode_private_key(text)
    return LiveKey(SigningKind.ASYMMETRIC, signing.v1a_signer(key), until)


def drop_expired() -> int:
    """Delete former secrets that sign no more, in small batches; how many."""
    gone = 0
    while True:
        rows = WebhookFormerSecret.objects.filter(expires_at__lte=timezone.now()).order_by("pk")
        batch = list(rows.values_list("pk", flat=True)[:PURGE_BATCH])
        if not batch:
            return gone
        gone += WebhookFormerSecret.objects.filter(pk__in=batch).delete()[0]
