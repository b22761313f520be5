"""What incremental decoding keeps, and where it takes up again."""
