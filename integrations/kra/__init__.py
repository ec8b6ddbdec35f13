"""Tax: eTIMS documents that are signed without gaps, and GavaConnect's checks and filings."""
