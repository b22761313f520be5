"""Checks of the values that parameters start with, whatever the order in which they are drawn."""
