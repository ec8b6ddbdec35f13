"""What is kept of KRA's lists, so that invoices can be made while KRA is away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models, transaction
from django.db.models.functions import Now

from integrations.models.kra_branch import KRABranch
from integrations.models.kra_write import KRAWrite
from integrations.models.settings_model import Environment
from integrations.models.stamp import ConfigStamp, stamp_loaded


class CodeQuerySet(models.QuerySet["KRACode"]):
    """Bulk writes that change the stamp: processes keep the codes until it changes."""

    def bulk_create(self, objs: Iterable[KRACode], *args: Any, **kwargs: Any) -> list[KRACode]:
        """As Django's, plus the stamp."""
        with transaction.atomic():
            ConfigStamp.objects.touch()
            return super().bulk_create(objs, *args, **kwargs)

    def update(self, **kwargs: Any) -> int:
        """As Django's, plus the stamp."""
        with transaction.atomic():
            ConfigStamp.objects.touch()
            return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """As Django's, plus the stamp."""
        with transaction.atomic():
            ConfigStamp.objects.touch()
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class KRACode(models.Model):
    """One code of one class of `selectCodeList`: tax types, units, payment types and so on."""

    environment = models.CharField(max_length=20, choices=Environment.choices)
    class_code = models.CharField(max_length=10)
    class_name = models.CharField(max_length=200, blank=True, default="")
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=300, blank=True, default="")
    description = models.CharField(max_length=1000, blank=True, default="")
    is_used = models.BooleanField(default=True)
    sort_order = models.IntegerField(default=0)
    # userDfnCd1 to 3; of class 04 the first is the rate.
    extra = models.JSONField(default=list, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = CodeQuerySet.as_manager()

    class Meta:
        verbose_name = "KRA code"
        ordering = ["class_code", "sort_order", "code"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "class_code", "code"], name="kracode_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.class_code}/{self.code} {self.name}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and change the stamp."""
        with transaction.atomic():
            ConfigStamp.objects.touch()
            super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete, and change the stamp."""
        with transaction.atomic():
            ConfigStamp.objects.touch()
            return super().delete(*args, **kwargs)


stamp_loaded(KRACode)


class KRAItemClass(models.Model):
    """One class of `selectItemClsList` (UNSPSC)."""

    environment = models.CharField(max_length=20, choices=Environment.choices)
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=500, blank=True, default="")
    level = models.PositiveSmallIntegerField(default=0)
    tax_type = models.CharField(max_length=5, blank=True, default="")
    is_major = models.BooleanField(default=False)
    is_used = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "KRA item class"
        verbose_name_plural = "KRA item classes"
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "code"], name="kraitemclass_unique")
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class KRAItem(models.Model):
    """An item of the taxpayer's catalogue, as it is or will be registered at KRA."""

    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    tin = models.CharField("PIN", max_length=20)
    item_code = models.CharField(max_length=20)
    # The ERP's own key of the item, by which invoice lines may name it.
    reference = models.CharField(max_length=100, blank=True, default="")
    name = models.CharField(max_length=200)
    class_code = models.CharField(max_length=20)
    type_code = models.CharField(max_length=5)
    origin = models.CharField(max_length=5, default="KE")
    packaging_unit = models.CharField(max_length=5)
    quantity_unit = models.CharField(max_length=5)
    tax_type = models.CharField(max_length=5)
    price = models.DecimalField(max_digits=18, decimal_places=2, default=0)
    barcode = models.CharField(max_length=20, blank=True, default="")
    standard_name = models.CharField(max_length=200, blank=True, default="")
    batch = models.CharField(max_length=10, blank=True, default="")
    safety_quantity = models.DecimalField(max_digits=13, decimal_places=2, null=True, blank=True)
    # Of the levels 1 to 5, as text; None where a level has none.
    group_prices = models.JSONField(default=list, blank=True)
    additional_info = models.CharField(max_length=7, blank=True, default="")
    is_insured = models.BooleanField(default=False)
    is_used = models.BooleanField(default=True)
    # Sold without eTIMS: lines with it are left out of what KRA is told.
    is_excluded = models.BooleanField(default=False)
    is_registered = models.BooleanField(default=False)
    # What is left in all branches after the movements that KRA has taken; None: none was told.
    stock = models.DecimalField(max_digits=13, decimal_places=2, null=True, blank=True)
    # The seven digits at the end of the code, where they count on (reference, section 5.2).
    running_number = models.PositiveIntegerField(null=True, blank=True)
    data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "KRA item"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["business", "-id"], name="kraitem_business"),
            models.Index(fields=["environment", "tin", "name"], name="kraitem_name"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "tin", "item_code"], name="kraitem_code"
            ),
            models.UniqueConstraint(
                fields=["environment", "tin", "reference"],
                condition=~models.Q(reference=""),
                name="kraitem_reference",
            ),
            models.UniqueConstraint(
                fields=["environment", "tin", "running_number"], name="kraitem_running"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_code} {self.name}"


class KRAStock(models.Model):
    """What is left of an item in a branch, after the movements that KRA has taken."""

    branch = models.ForeignKey(KRABranch, on_delete=models.PROTECT, related_name="stock")
    item = models.ForeignKey(KRAItem, on_delete=models.PROTECT, related_name="stock_rows")
    quantity = models.DecimalField(max_digits=13, decimal_places=2, default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "KRA stock"
        verbose_name_plural = "KRA stock"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["branch", "item"], name="krastock_unique")]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.item_id} in {self.branch_id}"


class RecordKind(models.TextChoices):
    """What else is kept as KRA told it, or as it was told KRA."""

    BRANCH = "branch", "Branch"
    NOTICE = "notice", "Notice"
    TAXPAYER = "taxpayer", "Taxpayer looked up"
    CUSTOMER = "customer", "Branch customer"
    USER = "user", "Branch user"
    INSURANCE = "insurance", "Insurance"
    STOCK_MOVE = "stock_move", "Stock moved in from another branch"


class KRARecord(models.Model):
    """One entry of a list that nothing is worked out from; `data` has KRA's names."""

    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    tin = models.CharField("PIN", max_length=20)
    bhf_id = models.CharField("branch", max_length=10, blank=True, default="")
    kind = models.CharField(max_length=20, choices=RecordKind.choices)
    key = models.CharField(max_length=120)
    name = models.CharField(max_length=300, blank=True, default="")
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "KRA record"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["business", "-id"], name="krarecord_business"),
            models.Index(fields=["kind", "-id"], name="krarecord_kind"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "tin", "bhf_id", "kind", "key"], name="krarecord_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.key} {self.name}"


class KRACursor(models.Model):
    """How far a list was read: `last_request` goes into the next request as `lastReqDt`."""

    business = models.CharField(max_length=64, blank=True, default="")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    tin = models.CharField("PIN", max_length=20)
    bhf_id = models.CharField("branch", max_length=10)
    list_name = models.CharField(max_length=40)
    last_request = models.CharField(max_length=14, blank=True, default="")
    # Of the last page that was stored, and of the last try.
    synced_at = models.DateTimeField(null=True, blank=True)
    tried_at = models.DateTimeField(null=True, blank=True)
    count = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        verbose_name = "KRA list"
        permissions = [("sync_kracursor", "Can read KRA's lists anew")]
        ordering = ["list_name"]
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "tin", "bhf_id", "list_name"], name="kracursor_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.list_name} of {self.tin} branch {self.bhf_id}"


class PurchaseState(models.TextChoices):
    """What was decided about a purchase or an import that KRA told of."""

    NEW = "new", "To be decided"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"


class KRAPurchase(models.Model):
    """A supplier's invoice from KRA's feed. The report of the decision is its `write`."""

    business = models.CharField(max_length=64, blank=True, default="")
    branch = models.ForeignKey(KRABranch, on_delete=models.PROTECT, related_name="purchases")
    supplier_pin = models.CharField(max_length=20)
    supplier_name = models.CharField(max_length=200, blank=True, default="")
    supplier_branch = models.CharField(max_length=10, blank=True, default="")
    supplier_number = models.BigIntegerField("supplier's invoice number")
    receipt_type = models.CharField(max_length=5, blank=True, default="")
    sold_on = models.DateField(null=True, blank=True)
    total = models.DecimalField(max_digits=18, decimal_places=2, default=0)
    tax = models.DecimalField(max_digits=18, decimal_places=2, default=0)
    data = models.JSONField(default=dict)
    state = models.CharField(
        max_length=10, choices=PurchaseState.choices, default=PurchaseState.NEW
    )
    write = models.ForeignKey(
        KRAWrite, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_by = models.CharField(max_length=150, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "KRA purchase"
        ordering = ["-id"]
        permissions = [("decide_krapurchase", "Can accept and reject purchases")]
        indexes = [
            models.Index(fields=["business", "-id"], name="krapurchase_business"),
            models.Index(fields=["state", "-id"], name="krapurchase_state"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "branch", "supplier_pin", "supplier_branch", "supplier_number", "receipt_type",
                ],
                name="krapurchase_unique",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.supplier_name or self.supplier_pin} invoice {self.supplier_number}"


class KRAImport(models.Model):
    """An imported item from KRA's feed, to be matched with an item of the catalogue."""

    business = models.CharField(max_length=64, blank=True, default="")
    branch = models.ForeignKey(KRABranch, on_delete=models.PROTECT, related_name="imports")
    task_code = models.CharField(max_length=50)
    declared_on = models.CharField(max_length=8)
    item_sequence = models.PositiveIntegerField()
    hs_code = models.CharField(max_length=20, blank=True, default="")
    name = models.CharField(max_length=500, blank=True, default="")
    status = models.CharField(max_length=5, blank=True, default="")
    data = models.JSONField(default=dict)
    item = models.ForeignKey(
        KRAItem, null=True, blank=True, on_delete=models.PROTECT, related_name="imports"
    )
    state = models.CharField(
        max_length=10, choices=PurchaseState.choices, default=PurchaseState.NEW
    )
    write = models.ForeignKey(
        KRAWrite, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_by = models.CharField(max_length=150, blank=True, default="")
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "KRA import"
        ordering = ["-id"]
        permissions = [("decide_kraimport", "Can accept and reject imports")]
        indexes = [
            models.Index(fields=["business", "-id"], name="kraimport_business"),
            models.Index(fields=["state", "-id"], name="kraimport_state"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["branch", "task_code", "declared_on", "item_sequence"],
                name="kraimport_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.task_code} item {self.item_sequence} {self.name[:40]}"
