"""Checks of the output projection, of the parameters and of their initial values."""
