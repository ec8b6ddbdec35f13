"""What is filed through GavaConnect and has legal effect: stored first, sent once."""

from __future__ import annotations

from integrations.kra.filings.describe import describe_filing
from integrations.kra.filings.read import read_filing
from integrations.kra.filings.returns import (
    Wanted,
    obligation_codes,
    read_nil_return,
    read_turnover_tax,
)
from integrations.kra.filings.sending import file
from integrations.kra.filings.settle import find_lost_filings, settle_filing
from integrations.kra.filings.withholding import WITHHOLDING, read_withholding

__all__ = [
    "WITHHOLDING",
    "Wanted",
    "describe_filing",
    "file",
    "find_lost_filings",
    "obligation_codes",
    "read_filing",
    "read_nil_return",
    "read_turnover_tax",
    "read_withholding",
    "settle_filing",
]
