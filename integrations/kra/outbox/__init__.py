"""The outbox of KRA: invoices and credit notes, one branch's strictly one after another.

`submit` stores, `advance` sends, `states` is the specification. Numbers are allotted when a
document's turn comes, so that there is no gap and no double: docs/explanation/etims.md.
"""
