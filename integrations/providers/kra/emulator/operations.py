"""Which handler serves which operation."""

from __future__ import annotations

from types import MappingProxyType

from integrations.providers.kra.emulator import lists, sales
from integrations.providers.kra.emulator.visits import Handler

HANDLERS: MappingProxyType[str, Handler] = MappingProxyType(
    {
        "code_list": lists.code_list,
        "item_classes": lists.item_classes,
        "save_sale": sales.save_sale,
        "find_invoice": sales.find_invoice,
        "confirm_sale": sales.confirm_sale,
    }
)
