"""Checks of the KV cache."""
