"""What the same seed has to make the same."""
