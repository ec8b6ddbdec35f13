"""Plain Django admin of the hub."""
