"""One row per key rotation: where it stands, so that any process can go on with it."""

from __future__ import annotations

from django.db import models

from integrations.models.app_settings import WrappedKeyField
from integrations.work import LeasedWork


class RotationStage(models.TextChoices):
    """The stages in their order; each waits until every process has seen the one before."""

    ANNOUNCED = "announced", "New key known: it decrypts, the old one still encrypts"
    PROMOTED = "promoted", "New key first: it encrypts, the old one still decrypts"
    REENCRYPTING = "reencrypting", "Re-encrypting what is stored"
    VERIFIED = "verified", "Done: everything that can be read is under the first key"
    CONFIRMING = "confirming", "Before retiring: looking whether the first key opens everything"
    RETIRING = "retiring", "Old keys removed: looking for what was stored late under them"
    RETIRED = "retired", "Done: the old keys are gone"
    ABANDONED = "abandoned", "Given up: the new key was taken away before it encrypted anything"


class RotationKind(models.TextChoices):
    """Which keys it is about."""

    DATABASE = "database", "A new key in the key row"
    ENVIRONMENT = "environment", "Keys that the operator put into CYPHER_KEY"
    LEGACY = "legacy", "Away from the original's published key"


class KeyRotation(LeasedWork):
    """A rotation of the encryption key. At most one is under way."""

    kind = models.CharField(max_length=12, choices=RotationKind.choices)
    stage = models.CharField(max_length=12, choices=RotationStage.choices)
    is_active = models.BooleanField(default=True)
    # Keyed digests of the key that secrets go to and of the environment's first: a process that
    # has others first, since nobody restarted it, must not carry the rotation on.
    key_mark = models.CharField(max_length=64, blank=True, default="")
    outer_mark = models.CharField(max_length=64, blank=True, default="")
    # The new key, until a later one has taken its place: should somebody save an old key row over
    # it, it is not lost.
    new_key = WrappedKeyField(editable=False)
    batch_size = models.PositiveIntegerField(default=500)
    accepts_unreadable = models.BooleanField(default=False)
    # No step before this instant: it is stored with the stage, a delay would be stored after it.
    not_before = models.DateTimeField(null=True, blank=True)
    # Where the pass is: the column's label, and the last primary key as text (null: its start).
    column = models.CharField(max_length=200, blank=True, default="")
    after = models.TextField(null=True, blank=True)
    passes = models.PositiveIntegerField(default=0, help_text="Passes that were begun.")
    total = models.PositiveBigIntegerField(default=0, help_text="Values when this pass began.")
    seen = models.PositiveBigIntegerField(default=0, help_text="Looked at in this pass.")
    skipped = models.PositiveBigIntegerField(default=0, help_text="Left over by this pass.")
    changed = models.PositiveBigIntegerField(default=0, help_text="Re-encrypted, all passes.")
    changed_before = models.PositiveBigIntegerField(default=0, editable=False)
    work_seconds = models.FloatField(default=0.0, help_text="Spent on batches, all passes.")
    unreadable = models.PositiveBigIntegerField(
        default=0, help_text="Values of this pass that no key opens; they are left as they are."
    )
    # Keys just removed from the key row, until nothing is found under them any more.
    removed_keys = WrappedKeyField(editable=False)
    started_at = models.DateTimeField(auto_now_add=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta(LeasedWork.Meta):
        ordering = ["-id"]
        verbose_name = "key rotation"
        constraints = [
            models.UniqueConstraint(
                fields=["is_active"],
                condition=models.Q(is_active=True),
                name="key_rotation_one_active",
            )
        ]

    def __str__(self) -> str:
        return f"Rotation {self.pk} ({self.get_stage_display()})"
