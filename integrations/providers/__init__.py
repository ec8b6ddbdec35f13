"""One folder per provider; importing it registers what it has."""
