"""What is right on paper and not in floating point."""
