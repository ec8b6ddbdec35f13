"""Settings of which a business may have several rows, one for each of its accounts.

An account is what a payment names to say where it goes: a short code, later a bank account. One
row of each business is the main one, which is used where no account is named.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from integrations.models.settings_model import SettingsModel


class AccountSettings(SettingsModel):
    """A settings model whose `account_field` names the account of a row, unique in its business."""

    is_main = models.BooleanField(
        "main account",
        default=True,
        help_text="Used where no account is named. A business has one such row, and any number "
        "of further ones.",
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        told = super().__str__()
        return told if self.is_main else f"{told} {getattr(self, self.account_field)}"

    def clean(self) -> None:
        """Refuse a further row that nobody could name."""
        super().clean()
        if not self.is_main and not getattr(self, self.account_field):
            raise ValidationError({self.account_field: "A further account needs it, to be named."})

    def make_main(self) -> None:
        """Let this row be the main one of its business, and the present one a further one."""
        model: Any = type(self)
        with transaction.atomic():
            present = model._default_manager.select_for_update().filter(
                business=self.business, is_main=True
            )
            for row in present.exclude(pk=self.pk):
                if not getattr(row, self.account_field):
                    raise ValidationError(f"{row} has no {self.account_name()} to be named by.")
                row.is_main = False
                row.save(update_fields=["is_main"])
            self.is_main = True
            self.save(update_fields=["is_main"])

    @classmethod
    def account_name(cls) -> str:
        """What people call the account field: "short code"."""
        return str(cls._meta.get_field(cls.account_field).verbose_name)  # type: ignore[union-attr]


def account_constraints(
    name: str, account_field: str, *, taken: str, known: str
) -> list[models.BaseConstraint]:
    """One main row for each business, and each account once; the texts say so to people."""
    return [
        models.UniqueConstraint(
            fields=["business"],
            condition=models.Q(is_main=True),
            name=f"{name}_main",
            violation_error_message=taken,
        ),
        # Whatever the environment: a payment names its account, and must find one row by it.
        models.UniqueConstraint(
            fields=["business", account_field],
            condition=~models.Q(**{account_field: ""}),
            name=f"{name}_account",
            violation_error_message=known,
        ),
    ]
