"""Receipts: what stands on them, and how they look."""
