"""Checks of the norms and of the residual stream that they read."""
