"""The provider's statement beside the ledger: read, stored, compared in one pass."""
