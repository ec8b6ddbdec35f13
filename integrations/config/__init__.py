"""Configuration: layers, frozen snapshots, and the stamp that keeps every process fresh."""

from integrations.config.defaults import default_config
from integrations.config.snapshot import Snapshot
from integrations.config.store import clear_cache, get_snapshot

__all__ = ["Snapshot", "clear_cache", "default_config", "get_snapshot"]
