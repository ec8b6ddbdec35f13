"""What KRA's codes and texts mean, in words."""
