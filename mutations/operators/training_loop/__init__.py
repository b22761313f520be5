"""The order of an update, and of the updates."""
