"""Checks of attention with more heads than one."""
