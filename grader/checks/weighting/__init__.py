"""Checks of how two losses are weighed against each other."""
