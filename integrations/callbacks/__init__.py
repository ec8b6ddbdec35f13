"""Inbound: acknowledge what is stored, then work."""
