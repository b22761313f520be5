"""Rows of different lengths: where each of them stands, what of it is cached, and what is padding."""
