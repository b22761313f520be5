"""Checks of training mode and eval mode, in models with dropout."""
