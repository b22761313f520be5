"""Checks of decoding rows of different lengths."""
