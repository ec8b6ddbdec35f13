"""The outbox of KRA: invoices and credit notes, one branch's strictly one after another.

`submit` stores, `advance` sends, `states` is the specification. Numbers are allotted when a
document's turn comes, so that there is no gap and no double: docs/explanation/etims.md.
"""

from __future__ import annotations

from integrations.kra.outbox.books import Comparison, Difference, compare_books
from integrations.kra.outbox.settle import Resent, TypedSignature, settle, verify_and_resend
from integrations.kra.outbox.states import QUEUE
from integrations.kra.outbox.submit import submit
from integrations.kra.outbox.told import tell

__all__ = [
    "QUEUE",
    "Comparison",
    "Difference",
    "Resent",
    "TypedSignature",
    "compare_books",
    "settle",
    "submit",
    "tell",
    "verify_and_resend",
]
