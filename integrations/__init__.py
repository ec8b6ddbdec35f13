"""Integration hub: encrypted settings, one outbound door, durable work, payments and tax."""
