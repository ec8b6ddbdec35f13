"""KRA's lists, read from where the last page ended and kept here."""

from integrations.kra.lists.feeds import FEEDS, Feed
from integrations.kra.lists.lookup import codes_of, known_codes, require_class, require_code
from integrations.kra.lists.read import ListResult, read_feed
from integrations.kra.lists.refresh import refresh_lists
from integrations.kra.lists.sync import SyncReport, sync_lists
from integrations.kra.lists.taxpayers import find_taxpayer

__all__ = [
    "FEEDS",
    "Feed",
    "ListResult",
    "SyncReport",
    "codes_of",
    "find_taxpayer",
    "known_codes",
    "read_feed",
    "refresh_lists",
    "require_class",
    "require_code",
    "sync_lists",
]
