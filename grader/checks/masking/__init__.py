"""Checks of attention masking."""
