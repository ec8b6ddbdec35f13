"""What is sent to KRA, as plain values."""
