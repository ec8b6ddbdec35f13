"""Logs, ids, metrics, and the security around the house."""
