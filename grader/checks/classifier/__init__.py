"""Checks of the token classifier."""
