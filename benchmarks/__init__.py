"""Scripts that print this product's figures beside floors and bounds; see README.md."""
