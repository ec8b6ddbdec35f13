"""Which handler serves which operation."""

from __future__ import annotations

from types import MappingProxyType

from integrations.providers.kra.emulator import items, lists, movements, people, purchases, sales
from integrations.providers.kra.emulator.visits import Handler

HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "code_list": lists.code_list,
        "item_classes": lists.item_classes,
        "find_customer": people.find_customer,
        "branch_list": people.branch_list,
        "notices": people.notices,
        "save_customer": people.save_customer,
        "save_user": people.save_user,
        "save_insurance": people.save_insurance,
        "save_item": items.save_item,
        "item_list": items.item_list,
        "save_composition": items.save_composition,
        "import_list": purchases.import_list,
        "update_import": purchases.update_import,
        "purchase_list": purchases.purchase_list,
        "save_purchase": purchases.save_purchase,
        "stock_list": movements.stock_list,
        "save_stock_io": movements.save_stock_io,
        "save_stock_master": movements.save_stock_master,
        "save_sale": sales.save_sale,
        "find_invoice": sales.find_invoice,
        "confirm_sale": sales.confirm_sale,
    }
)
