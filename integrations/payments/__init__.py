"""Payments: the ledger, its states, and the documented service classes."""
