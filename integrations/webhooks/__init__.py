"""Webhooks to the outside: signed, dispatched, watched, replayed."""
