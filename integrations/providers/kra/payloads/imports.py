"""`updateImportItem`: what an imported item became (reference, section 5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.config import Snapshot
from integrations.providers.kra.payloads.values import optional, registrar

# Class 26 (section 10).
UNSENT, WAITING, APPROVED, CANCELLED = "1", "2", "3", "4"


def import_body(document: Mapping[str, Any], config: Snapshot) -> dict[str, Any]:
    """The body of `updateImportItem`; the reference says which spelling of the status to send."""
    who = registrar(config)
    return {
        "taskCd": document["task_code"],
        "dclDe": document["declared_on"],
        "itemSeq": document["item_sequence"],
        "hsCd": optional(document, "hs_code"),
        "itemClsCd": optional(document, "class_code"),
        "itemCd": optional(document, "item_code"),
        "imptItemSttsCd": document["status"],
        "remark": optional(document, "remark"),
        "modrId": who["modrId"],
        "modrNm": who["modrNm"],
    }
