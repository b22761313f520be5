"""Checks of positional addition."""
