"""Checks of how scores become weights, and weights a mean of values."""
