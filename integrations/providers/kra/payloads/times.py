"""KRA's times: wall time of Nairobi, without a zone (reference, section 2)."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

NAIROBI = ZoneInfo("Africa/Nairobi")


def stamp14(moment: datetime) -> str:
    """yyyyMMddHHmmss in Nairobi."""
    return moment.astimezone(NAIROBI).strftime("%Y%m%d%H%M%S")


def stamp8(moment: datetime) -> str:
    """yyyyMMdd in Nairobi."""
    return moment.astimezone(NAIROBI).strftime("%Y%m%d")
