"""Checks of the learning rate: the schedule, and that it is heard."""
