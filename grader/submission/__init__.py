"""What was handed in, read as data, and how it differs from the starter."""
