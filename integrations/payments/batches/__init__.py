"""Payout files: checked as a whole, approved as a whole, sent row by row by the ordinary worker."""
