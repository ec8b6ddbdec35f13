"""The audit trail: who did what to which object, append-only, sealed into a hash chain later.

Entries are written in the transaction of the change. Chaining inside callers' transactions
would make them wait for each other, so the worker seals batches (DESIGN 4.8).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

from django.conf import settings
from django.db import IntegrityError, models, transaction

from integrations.exceptions import IntegrationError

_actor: ContextVar[Any] = ContextVar("integrations_actor", default=None)
# By what means the actor acts, such as an API token; "" for a session.
_through: ContextVar[str] = ContextVar("integrations_actor_through", default="")
SEAL_BATCH = 500


@contextmanager
def acting(user: Any) -> Iterator[None]:
    """Name `user` as the actor of everything recorded inside the block."""
    reset, reset_through = _actor.set(user), _through.set("")
    try:
        yield
    finally:
        _actor.reset(reset)
        _through.reset(reset_through)


@contextmanager
def acting_as(user: Any) -> Iterator[None]:
    """`acting`, keeping by what means `user` acts where it acts already; None changes nothing."""
    if user is None or user == current_actor():
        yield
        return
    with acting(user):
        yield


def act_as(user: Any, *, through: str = "") -> None:
    """Name another actor until the block of `acting` around the caller ends.

    `through` tells by what means, where it is not the user in person.
    """
    _actor.set(user)
    _through.set(through)


def current_actor() -> Any:
    """The user who acts, also through an API token; None for the product itself."""
    user = _actor.get()
    return user if getattr(user, "is_authenticated", False) else None


def has_actor() -> bool:
    """Whether somebody is known to act, rather than the product itself."""
    return current_actor() is not None


def name_actor(user: Any) -> str:
    """`user` as the trail names it, with the means where it acts by one right now."""
    return _name_of(user) if user == current_actor() else str(user)[:200]


def _refuse() -> NoReturn:
    raise IntegrationError("This trail is append-only.", code="append_only")


class AppendOnly(models.QuerySet[Any]):
    """Rows that can be added and read, and nothing else."""

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> list[Any]:
        """As Django's, without its way to overwrite rows."""
        if args or kwargs:
            _refuse()
        return super().bulk_create(objs, batch_size, ignore_conflicts)

    def update(self, **kwargs: Any) -> NoReturn:
        """Refused."""
        _refuse()

    def delete(self) -> NoReturn:
        """Refused."""
        _refuse()


class AppendedRow(models.Model):
    """A row that is added once; saving it again and deleting it are refused."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the row, as a new one whatever its key."""
        if not self._state.adding:
            _refuse()
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        _refuse()


def _name_of(user: Any) -> str:
    through = _through.get()
    return f"{user} ({through})"[:200] if through else str(user)[:200]


class AuditQuerySet(AppendOnly):
    """Recording."""

    def record(
        self,
        action: str,
        *,
        target: models.Model | None = None,
        business: str = "",
        fields: Sequence[str] = (),
        detail: str = "",
    ) -> AuditEntry:
        """Add an entry for the present actor. `fields` are names only, never values."""
        user = _actor.get()
        known = has_actor()
        return AuditEntry.objects.create(
            actor=user if known else None,
            actor_name=_name_of(user) if known else "system",
            action=action,
            object_type=target._meta.label if target is not None else "",
            object_id=str(target.pk)[:64] if target is not None else "",
            object_name=str(target)[:200] if target is not None else "",
            business=business[:64],
            fields=sorted(fields),
            detail=detail[:500],
        )


class AuditEntry(AppendedRow):
    """One thing somebody did. For secrets, `fields` says only which one changed."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
    )
    actor_name = models.CharField(max_length=200)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=100, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    business = models.CharField(max_length=64, blank=True)
    fields = models.JSONField(default=list)
    detail = models.CharField(max_length=500, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name = "audit entry"
        verbose_name_plural = "audit trail"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["object_type", "object_id"], name="audit_object"),
            models.Index(fields=["-at"], name="audit_at"),
            models.Index(fields=["business", "-id"], name="audit_business"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name} {self.action} {self.object_name}".strip()

    def digest_after(self, previous: str) -> str:
        """SHA-256 over the previous digest and everything this entry says."""
        told = [
            previous,
            self.pk,
            self.at.isoformat(),
            self.actor_id,
            self.actor_name,
            self.action,
            self.object_type,
            self.object_id,
            self.object_name,
            self.business,
            self.fields,
            self.detail,
        ]
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()


class AuditSeal(AppendedRow):
    """An entry's place in the hash chain."""

    position = models.PositiveBigIntegerField(primary_key=True)
    entry = models.OneToOneField(AuditEntry, on_delete=models.PROTECT, related_name="seal")
    digest = models.CharField(max_length=64)

    objects = AppendOnly.as_manager()

    class Meta:
        verbose_name = "audit seal"

    def __str__(self) -> str:
        return f"{self.position}: {self.digest[:12]}"


def seal_audit_trail() -> int:
    """Chain the entries that have no seal yet; returns how many. One batch per transaction.

    Two sealers at once can't both win: the position is the primary key.
    """
    sealed = 0
    while True:
        try:
            with transaction.atomic():
                count = _seal_batch()
        except IntegrityError:
            return sealed
        sealed += count
        if count < SEAL_BATCH:
            return sealed


def _seal_batch() -> int:
    last = AuditSeal.objects.order_by("-position").first()
    position, digest = (last.position, last.digest) if last else (0, "")
    seals = []
    for entry in AuditEntry.objects.filter(seal=None).order_by("pk")[:SEAL_BATCH]:
        position, digest = position + 1, entry.digest_after(digest)
        seals.append(AuditSeal(position=position, entry=entry, digest=digest))
    AuditSeal.objects.bulk_create(seals)
    return len(seals)


def find_broken_seal() -> int | None:
    """The first position whose entry is gone or no longer fits, or None for a whole chain."""
    digest = ""
    expected = 1
    for seal in AuditSeal.objects.select_related("entry").order_by("position").iterator():
        digest = seal.entry.digest_after(digest)
        if seal.position != expected or seal.digest != digest:
            return int(seal.position)
        expected += 1
    # An entry that is gone takes its seal out of the join; the last one leaves no gap behind.
    return expected if AuditSeal.objects.filter(position__gte=expected).exists() else None
