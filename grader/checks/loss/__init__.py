"""Checks of the loss of the language model and of its targets."""
