"""Configuration: layers, frozen snapshots, and the stamp that keeps every process fresh."""

from integrations.config import fork as _fork  # noqa: F401 - registers its hook
from integrations.config.defaults import default_config
from integrations.config.snapshot import Snapshot
from integrations.config.store import clear_cache, get_snapshot

__all__ = ["Snapshot", "clear_cache", "default_config", "get_snapshot"]
